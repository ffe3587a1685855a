"""The gate before a provider: its breaker, its calls in flight, its requests and tokens per minute."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable

from teacher_gateway.failures import TeacherFailure
from teacher_gateway.seams import Call, NoRoom, Ticket
from teacher_gateway.teachers_file import ProviderSettings
from teacher_gateway.traffic.breaker import Circuit
from teacher_gateway.traffic.metrics import TrafficMetrics
from teacher_gateway.traffic.throttling import Throttling
from teacher_gateway.traffic.window import Minute, minute_of

# Prose has some four characters a token, code and formulas fewer; the settled usage corrects either.
CHARACTERS_PER_TOKEN = 3
# Those who wait for the same second come spread over this, lest they all ask Redis in the same instant.
SPREAD_SECONDS = 0.25
# What says that the provider is down; a refusal or a rate limit says that it works.
DOWN = frozenset({"teacher_unreachable", "teacher_failed", "teacher_timeout"})


class Gate:
    """One provider's. Waiting callers hold nothing that others need."""

    def __init__(self, name: str, settings: ProviderSettings, throttling: Throttling, metrics: TrafficMetrics) -> None:
        self.name = name
        self.hedge_after_seconds = settings.hedge_after_seconds
        self.circuit = Circuit(settings.breaker)
        self.waiting = self.in_flight = 0
        self._limits = settings.limits
        self._throttling = throttling
        self._metrics = metrics
        most = settings.limits.max_in_flight
        self._places = asyncio.Semaphore(most) if most else None
        self._counts = any((settings.limits.requests_per_minute, settings.limits.tokens_per_minute))

    async def enter(self) -> None:
        """Take a place among the calls in flight, to be left. Raises TeacherFailure 503 `teacher_resting` while the
        breaker is open."""
        if self._places is not None:
            await self._places.acquire()
        try:
            self._require_closed()
        except TeacherFailure:
            self._free_place()
            raise
        self.in_flight += 1

    def leave(self) -> None:
        """Give the place back."""
        self.in_flight -= 1
        self.circuit.trying = False
        self._free_place()

    def _free_place(self) -> None:
        if self._places is not None:
            self._places.release()

    def minute(self, call: Call) -> Minute | None:
        """What the call takes of the provider's minute, by an estimate; None where nothing limits it."""
        if not self._counts:
            return None
        tokens = len(call.prompt) // CHARACTERS_PER_TOKEN + call.request.teacher.max_guidance_tokens
        return minute_of(self.name, tokens, self._limits)

    async def admit(self, reserve: Callable[[], Awaitable[Ticket]], deadline: float, job_id: str) -> Ticket:
        """The ticket, once the provider's minute has room.

        Raises a 503 TeacherFailure `teacher_rate_limited` when there will be none before `deadline` (event loop time).
        """
        started = time.monotonic()
        self.waiting += 1
        try:
            while True:
                try:
                    return await reserve()
                except NoRoom as full:
                    wait = full.seconds
                await self.tell_throttled(job_id, wait)
                pause = wait + random.uniform(0.0, SPREAD_SECONDS)
                if asyncio.get_running_loop().time() + pause >= deadline:
                    raise self._limited(wait)
                await asyncio.sleep(pause)
        finally:
            self.waiting -= 1
            if self._counts:
                self._metrics.waited(self.name, time.monotonic() - started)

    async def failed(self, failure: TeacherFailure | asyncio.CancelledError, job_id: str) -> None:
        """A call did. Cancelled: at its deadline, when no answer had come in all the time there was."""
        code = failure.code if isinstance(failure, TeacherFailure) else "teacher_timeout"
        if code in DOWN:
            self.circuit.failed(time.monotonic())
        else:
            self.circuit.succeeded()
        if isinstance(failure, TeacherFailure) and code == "teacher_rate_limited":
            await self.tell_throttled(job_id, failure.retry_after)

    async def tell_throttled(self, job_id: str, seconds: int | None) -> None:
        """The job waits for this provider's limits: ours, or the provider's own."""
        await self._throttling.tell(job_id, self.name, seconds or 0)

    def _require_closed(self) -> None:
        wait = self.circuit.wait(time.monotonic())
        if wait > 0:
            detail = f"Provider {self.name} failed {self.circuit.failures} times in a row and rests for {wait:.3g} s."
            raise TeacherFailure(503, "teacher_resting", detail, retry_after=math.ceil(wait))

    def _limited(self, wait: int) -> TeacherFailure:
        self._metrics.refused(self.name)
        detail = f"The limits of provider {self.name} leave no room for {wait} s; raise them or ask for less at once."
        return TeacherFailure(503, "teacher_rate_limited", detail, retry_after=wait)
