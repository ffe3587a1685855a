"""The books of a gateway without Redis: its own minutes, and no money."""

import time
from collections import defaultdict

from teacher_gateway.money.bookings import HELD, Booking, Outcome, Settlement
from teacher_gateway.traffic.window import WINDOW_SECONDS, Minute, Window


class LocalBooks:
    """Of this process alone."""

    counts_money = False

    def __init__(self) -> None:
        self._windows: defaultdict[str, Window] = defaultdict(Window)
        self._taken: dict[str, tuple[Minute, int]] = {}

    async def reserve(self, booking: Booking) -> Outcome:
        minute, now = booking.minute, time.monotonic()
        if minute is None:
            return HELD
        self._forget(int(now) - WINDOW_SECONDS)
        wait = self._windows[minute.provider].take(now, minute)
        if wait == 0:
            self._taken[booking.call_id] = minute, int(now)
        return Outcome(wait)

    def settle(self, settlement: Settlement) -> None:
        taken = self._taken.pop(settlement.call_id, None)
        if taken is not None and settlement.minute_tokens is not None:
            minute, second = taken
            self._windows[minute.provider].settle(second, settlement.minute_tokens - minute.tokens)

    def _forget(self, last: int) -> None:
        """Calls that began up to this second count no longer; those that were cut off are never settled."""
        while self._taken:
            call_id = next(iter(self._taken))
            if self._taken[call_id][1] > last:
                return
            del self._taken[call_id]
