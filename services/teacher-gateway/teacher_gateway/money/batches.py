"""Group commit: what is booked and settled while one batch is on its way to Redis makes up the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from redis.exceptions import RedisError

from teacher_gateway.money.amounts import Amount
from teacher_gateway.money.bookings import HELD, Booking, Outcome, Settlement

# Redis does nothing else while it works on a batch: some 3 ms for so many.
MOST_AT_ONCE = 64
# A settlement travels with the next booking; if there is none so soon, alone.
SETTLE_SECONDS = 0.05
# Between tries to bring settlements to a Redis that does not answer.
AWAY_SECONDS = 1.0
# Of calls that ended while Redis was away; older ones stay at their estimate.
MOST_KEPT = 10_000
# For the last settlements of a gateway that ends; what Redis has not taken by then stays at its estimate.
CLOSING_SECONDS = 2.0
NOTHING = Amount()
Send = Callable[[Sequence[Settlement], Sequence[Booking]], Awaitable[Sequence[Outcome]]]
# None: nothing to book, but word is wanted once all settlements before it are through.
Waiting = tuple[Booking | None, asyncio.Future[Outcome]]
log = structlog.get_logger()


class Batches:
    """One sender at a time. What it sends may come twice when an answer is lost: repeating it must change nothing."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[Waiting] = []
        self._settlements: list[Settlement] = []
        self._sender: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def reserve(self, booking: Booking) -> Awaitable[Outcome]:
        """What came of it. Settlements that were given before it go before it. Raises redis.RedisError."""
        return self._wait(booking)

    def settle(self, settlement: Settlement) -> None:
        """Sent with the next booking, or alone after SETTLE_SECONDS."""
        self._settlements.append(settlement)
        self._start_after(SETTLE_SECONDS)

    async def flush(self) -> None:
        """Returns when everything that was settled so far is in Redis. Raises redis.RedisError."""
        if self._settlements:
            await self._wait(None)

    async def close(self) -> None:
        """Bring the last settlements home."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self.flush()
        except (TimeoutError, RedisError):
            log.warning("spending_left_at_estimate", calls=len(self._settlements))
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, booking: Booking | None) -> Awaitable[Outcome]:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((booking, outcome))
        self._start()
        return outcome

    def _start(self) -> None:
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())

    def _start_after(self, seconds: float) -> None:
        if self._timer is None and self._sender is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start)

    async def _send_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            while self._waiting or self._settlements:
                await self._send_batch()
        except RedisError as error:
            log.warning("ledger_away", cause=type(error).__name__, unsettled=len(self._settlements))
        finally:
            self._sender = self._timer = None
        if self._settlements:
            self._start_after(AWAY_SECONDS)

    async def _send_batch(self) -> None:
        settlements = self._settlements[:MOST_AT_ONCE]
        waiting = self._waiting[: MOST_AT_ONCE if len(settlements) == len(self._settlements) else 0]
        try:
            outcomes = iter(await self._send(settlements, [booking for booking, _ in waiting if booking is not None]))
        except BaseException as error:
            self._fail_all(error)
            raise
        del self._settlements[: len(settlements)], self._waiting[: len(waiting)]
        for booking, outcome in waiting:
            found = HELD if booking is None else next(outcomes)
            if not outcome.done():
                outcome.set_result(found)
            elif booking is not None:  # its caller's deadline came meanwhile
                self._let_go(booking)

    def _fail_all(self, error: BaseException) -> None:
        """Who waits behind this batch would wait for the same silence."""
        waiting, self._waiting = self._waiting, []
        for booking, outcome in waiting:
            if booking is not None:
                self._let_go(booking)
            if not outcome.done():
                outcome.set_exception(error)
        del self._settlements[:-MOST_KEPT]

    def _let_go(self, booking: Booking) -> None:
        """A call that is not made. A Redis that was only stopped holds it all the same, once it goes on."""
        self._settlements.append(Settlement(booking.call_id, NOTHING, 0))
