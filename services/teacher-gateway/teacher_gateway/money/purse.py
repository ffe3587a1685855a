"""The purse: every try of every rung is reserved at its worst case, then settled at what it used."""

import os
import time
from collections.abc import Sequence

import structlog
from contracts.errors import Problem
from redis.exceptions import RedisError

from teacher_gateway.failures import TeacherFailure
from teacher_gateway.money.amounts import Amount, limits_of
from teacher_gateway.money.bookings import DIMENSIONS, Booking, Books, Scope, Settlement
from teacher_gateway.money.estimates import amount_of, most_used
from teacher_gateway.money.exhaustion import exhausted, price_unknown
from teacher_gateway.money.prices import Usage, needs_price
from teacher_gateway.money.terms import TermsBook
from teacher_gateway.providers.base import Reply
from teacher_gateway.seams import Call, NoRoom, Ticket
from teacher_gateway.traffic.window import Minute

FIXED_TEXT = "retry"
# A call id that comes twice is a free call.
CALL_ID_BYTES = 16
# Failures for which no provider charges: it said so before it began.
FREE_OF_CHARGE = frozenset({"teacher_rate_limited", "teacher_refused", "teacher_failed"})
log = structlog.get_logger()


class LedgerPurse:
    """Keeps the caps of jobs and teachers (invariant 9) and the minutes of providers.

    Where the books count no money it prices, and refuses what has a cap.
    """

    def __init__(self, books: Books, terms: TermsBook) -> None:
        self._books = books
        self._terms = terms

    async def reserve(self, call: Call, minute: Minute | None = None) -> Ticket:
        """A ticket. Raises NoRoom, a 402 budget_exhausted, a RungExhausted, or what keeps a cap from being kept."""
        started, scopes = time.monotonic(), self._scopes(call)
        capped = any(scope.limits.any for scope in scopes)
        if call.provider == FIXED_TEXT or not (self._books.counts_money or capped or minute):
            return Ticket(started)
        if capped and not self._books.counts_money:
            raise Problem(422, "budget_unavailable", WITHOUT_LEDGER, field="teacher.budget")
        call_id, worst = os.urandom(CALL_ID_BYTES).hex(), self._worst_case(call)
        booking = Booking(call_id, worst, scopes, call.request.job_id, cost_fields(call), minute)
        try:
            outcome = await self._books.reserve(booking)
        except RedisError as error:
            if unkept := what_cannot_be_kept(minute, capped):
                raise unkept from error
            log.warning("spending_uncounted", cause=type(error).__name__)
            return Ticket(started)
        if outcome.wait:
            raise NoRoom(outcome.wait)
        if outcome.scope:
            raise exhausted(scopes[outcome.scope - 1].name, DIMENSIONS[outcome.cap], call)
        return Ticket(started, call_id)

    def settle(self, ticket: Ticket, call: Call, outcome: Reply | Problem) -> float:
        """The price in USD. Books that cannot be reached keep the estimate: too much is counted, never too little."""
        used = self._used(call, outcome, time.monotonic() - ticket.started)
        tokens = outcome.prompt_tokens + outcome.completion_tokens if isinstance(outcome, Reply) else 0
        if ticket.call_id:
            self._books.settle(Settlement(ticket.call_id, used, tokens or None))
        return used.usd if isinstance(outcome, Reply) else 0.0

    def _scopes(self, call: Call) -> Sequence[Scope]:
        job = Scope(f"job:{call.request.job_id}", limits_of(call.request.teacher.budget))
        return [job, Scope(f"provider:{call.provider}", limits_of(self._terms.caps(call)))]

    def _worst_case(self, call: Call) -> Amount:
        teacher = call.request.teacher
        tariff = self._terms.tariff(call)
        if tariff is None and (needs_price(teacher.budget) or needs_price(self._terms.caps(call))):
            raise price_unknown(call)
        return amount_of(most_used(call.prompt, teacher.max_guidance_tokens, teacher.timeout_seconds), tariff)

    def _used(self, call: Call, outcome: Reply | Problem, seconds: float) -> Amount:
        """What to count. Where that is unknown (a broken connection, an uncounted answer), the estimate stands."""
        if isinstance(outcome, Reply):
            usage = Usage(outcome.prompt_tokens, outcome.completion_tokens, seconds)
            uncounted = outcome.prompted and usage.prompt_tokens + usage.completion_tokens == 0
            return self._worst_case(call) if uncounted else amount_of(usage, self._terms.tariff(call))
        if not isinstance(outcome, TeacherFailure):
            return Amount()  # a request that could not even be sent
        return Amount(requests=1) if outcome.code in FREE_OF_CHARGE else self._worst_case(call)


def cost_fields(call: Call) -> list[str]:
    """Where a price is added up: episode ids read job/purpose/step/question/sample."""
    episode = call.request.episode_id
    step = "/".join(episode.split("/")[1:3])
    return [f"episode/{episode}", f"step/{step}", f"teacher/{call.rung}", f"provider/{call.provider}"]


def what_cannot_be_kept(minute: Minute | None, capped: bool) -> Problem | None:
    """Of what a call must keep, when Redis does not answer; None: it may be made, uncounted."""
    if minute is not None:
        return Problem(503, "limits_unreachable", LIMITS_AWAY, retry_after=REDIS_RETRY_SECONDS)
    return Problem(503, "ledger_unreachable", LEDGER_AWAY, retry_after=REDIS_RETRY_SECONDS) if capped else None


# A Redis that restarts is back within seconds.
REDIS_RETRY_SECONDS = 1
WITHOUT_LEDGER = "A budget needs a ledger that all gateways share; set TEACHER_GATEWAY_REDIS_URL or drop the budget."
LEDGER_AWAY = "The ledger (Redis) does not answer, so no call can be reserved within the budget; try again."
LIMITS_AWAY = "The gateway's Redis, which counts the providers' limits, does not answer; try again."
