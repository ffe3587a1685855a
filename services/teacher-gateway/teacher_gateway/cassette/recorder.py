"""The cassette of a job, in the mode that the job chose."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from contracts.budgets import CassetteSpec
from contracts.errors import Problem
from contracts.guidance import GuidanceResponse
from redis.asyncio import Redis

from teacher_gateway.cassette.entry import Entry, key_of, question_of, replayed
from teacher_gateway.cassette.files import CassetteFiles
from teacher_gateway.cassette.flights import Flights
from teacher_gateway.seams import Asked

FIXED_TEXT = "retry"
Ladder = Callable[[str | None, int | None], Any]


class Recorder:
    """Replays what was recorded and records what was given."""

    def __init__(
        self,
        files: CassetteFiles | None,
        ladder: Ladder = lambda name, policy_version: None,
        redis: Redis | None = None,
    ) -> None:
        """ladder: what the teachers file says about a teacher's name, so that another model is another key."""
        self._files = files
        self._ladder = ladder
        self._flights = Flights(redis)

    def single_flight(self, asked: Asked, deadline: float) -> AbstractAsyncContextManager[None]:
        """In mode `replay_or_record` one of several equal guidances is asked for, and the others replay it."""
        spec = asked.request.teacher.cassette
        if spec.mode != "replay_or_record" or self._files is None:
            return nullcontext()
        key = key_of(self._question(asked))
        return nullcontext() if self._files.has(spec.name, key) else self._flights.only(spec.name, key, deadline)

    async def replay(self, asked: Asked) -> GuidanceResponse | None:
        """The recorded guidance. Raises a 409 Problem in mode `replay` when there is none, a 422 without a root."""
        spec = asked.request.teacher.cassette
        if spec.mode in ("off", "record") or asked.request.teacher.provider == FIXED_TEXT:
            return None
        key = key_of(self._question(asked))
        entry = await self._open(spec).find(spec.name, key)
        if entry is None and spec.mode == "replay":
            detail = f"Cassette {spec.name} has no guidance under {key}; record it with mode replay_or_record."
            raise Problem(409, "cassette_miss", detail, field="teacher.cassette.mode")
        # A retry text that stood in for a teacher is part of a run, but no reason not to ask the teacher now.
        stood_in = entry is not None and entry.given.provider == FIXED_TEXT
        return None if entry is None or (stood_in and spec.mode != "replay") else replayed(entry)

    async def record(self, asked: Asked, response: GuidanceResponse) -> None:
        """Keep a guidance durably before it is answered: what was paid for can be replayed after any crash."""
        spec = asked.request.teacher.cassette
        if spec.mode in ("off", "replay") or asked.request.teacher.provider == FIXED_TEXT:
            return
        question = self._question(asked)
        await self._open(spec).keep(spec.name, Entry(key=key_of(question), asked=question, given=response))

    def _question(self, asked: Asked) -> dict[str, Any]:
        request = asked.request
        return question_of(asked, self._ladder(request.teacher.name, request.policy_version))

    def _open(self, spec: CassetteSpec) -> CassetteFiles:
        if self._files is None:
            detail = f"Mode {spec.mode} needs a place for cassettes; set TEACHER_GATEWAY_CASSETTE_ROOT or choose off."
            raise Problem(422, "cassette_unavailable", detail, field="teacher.cassette.mode")
        return self._files
