"""The purse: every try of every rung is reserved at its worst case, then settled at what it used."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from contracts.errors import Problem
from redis.exceptions import RedisError

from teacher_gateway.failures import TeacherFailure
from teacher_gateway.money.amounts import Amount, limits_of
from teacher_gateway.money.estimates import amount_of, most_used
from teacher_gateway.money.exhaustion import exhausted, price_unknown
from teacher_gateway.money.ledger import Ledger, Scope
from teacher_gateway.money.prices import Usage, needs_price
from teacher_gateway.money.terms import TermsBook
from teacher_gateway.providers.base import Reply
from teacher_gateway.seams import Call

# Failures for which no provider charges: it said so before it began.
FREE_OF_CHARGE = frozenset({"teacher_rate_limited", "teacher_refused", "teacher_failed"})
log = structlog.get_logger()


@dataclass(frozen=True)
class Ticket:
    """A reserved call and when it began (monotonic seconds); no call id where no ledger holds it."""

    call_id: str
    started: float

    @classmethod
    def uncounted(cls) -> "Ticket":
        return cls("", time.monotonic())

    @classmethod
    def parse(cls, text: str) -> "Ticket":
        call_id, _, started = text.partition("@")
        return cls(call_id, float(started))

    def __str__(self) -> str:
        return f"{self.call_id}@{self.started}"


class LedgerPurse:
    """Keeps the caps of jobs and teachers (invariant 9). Without a ledger it prices, and refuses what has a cap."""

    def __init__(self, ledger: Ledger | None, book: TermsBook) -> None:
        self._ledger = ledger
        self._book = book

    async def reserve(self, call: Call) -> str:
        """A ticket. Raises a 402 budget_exhausted, a RungExhausted, or what keeps a cap from being kept."""
        scopes = self._scopes(call)
        capped = any(scope.limits.any for scope in scopes)
        if call.provider == "retry" or (self._ledger is None and not capped):
            return str(Ticket.uncounted())
        if self._ledger is None:
            raise Problem(422, "budget_unavailable", WITHOUT_LEDGER, field="teacher.budget")
        ticket = Ticket(uuid.uuid4().hex, time.monotonic())
        try:
            refusal = await self._ledger.reserve(ticket.call_id, self._worst_case(call), scopes)
        except RedisError as error:
            if capped:
                raise Problem(503, "ledger_unreachable", LEDGER_AWAY, retry_after=1) from error
            log.warning("spending_uncounted", cause=type(error).__name__)
            return str(Ticket.uncounted())
        if refusal is not None:
            raise exhausted(refusal, call)
        return str(ticket)

    async def settle(self, ticket: str, call: Call, outcome: Reply | Problem) -> float:
        """The price in USD. A ledger that is away keeps the estimate: too much is counted, never too little."""
        held = Ticket.parse(ticket)
        used = self._used(call, outcome, time.monotonic() - held.started)
        if held.call_id and self._ledger is not None:
            scopes = self._scopes(call)
            try:
                await self._ledger.settle(held.call_id, used, scopes, call.request.job_id, cost_fields(call))
            except RedisError as error:
                log.warning("spending_left_at_estimate", cause=type(error).__name__)
        return used.usd if isinstance(outcome, Reply) else 0.0

    def _scopes(self, call: Call) -> Sequence[Scope]:
        job = Scope(f"job:{call.request.job_id}", limits_of(call.request.teacher.budget))
        return [job, Scope(f"provider:{call.provider}", limits_of(self._book.caps(call)))]

    def _worst_case(self, call: Call) -> Amount:
        teacher = call.request.teacher
        tariff = self._book.tariff(call)
        if tariff is None and (needs_price(teacher.budget) or needs_price(self._book.caps(call))):
            raise price_unknown(call)
        return amount_of(most_used(call.prompt, teacher.max_guidance_tokens, teacher.timeout_seconds), tariff)

    def _used(self, call: Call, outcome: Reply | Problem, seconds: float) -> Amount:
        """What to count. Where that is unknown (a broken connection, an uncounted answer), the estimate stands."""
        if isinstance(outcome, Reply):
            usage = Usage(outcome.prompt_tokens, outcome.completion_tokens, seconds)
            uncounted = outcome.prompted and usage.prompt_tokens + usage.completion_tokens == 0
            return self._worst_case(call) if uncounted else amount_of(usage, self._book.tariff(call))
        if not isinstance(outcome, TeacherFailure):
            return Amount()  # a request that could not even be sent
        return Amount(requests=1) if outcome.code in FREE_OF_CHARGE else self._worst_case(call)


def cost_fields(call: Call) -> list[str]:
    """Where a price is added up: episode ids read job/purpose/step/question/sample."""
    episode = call.request.episode_id
    step = "/".join(episode.split("/")[1:3])
    return [f"episode/{episode}", f"step/{step}", f"teacher/{call.rung}", f"provider/{call.provider}"]


WITHOUT_LEDGER = "A budget needs a ledger that all gateways share; set TEACHER_GATEWAY_REDIS_URL or drop the budget."
LEDGER_AWAY = "The ledger (Redis) does not answer, so no call can be reserved within the budget; try again."
