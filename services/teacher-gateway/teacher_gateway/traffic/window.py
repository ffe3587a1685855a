"""Requests and tokens of the last minute, counted by the second: pure, so that what it promises can be proved."""

from dataclasses import dataclass, field

import msgspec

from teacher_gateway.teachers_file import Limits

# 60 seconds and the one that was already running: so that no 60 seconds, wherever they begin, hold more than the limit.
WINDOW_SECONDS = 61


class Minute(msgspec.Struct, frozen=True):
    """What one call takes of its provider's minute, and how much that holds; None is no limit."""

    provider: str
    requests: int
    tokens: int
    most_requests: int | None
    most_tokens: int | None


def minute_of(provider: str, tokens: int, limits: Limits) -> Minute:
    """One call. One that no empty minute could hold counts as a whole one: it must be possible to make it at all."""
    most = limits.tokens_per_minute
    return Minute(provider, 1, tokens if most is None else min(tokens, most), limits.requests_per_minute, most)


@dataclass(frozen=True)
class Load:
    """What began in one second."""

    requests: int = 0
    tokens: int = 0


@dataclass
class Window:
    """Loads by the second in which they began."""

    by_second: dict[int, Load] = field(default_factory=dict)

    def take(self, now: float, minute: Minute) -> int:
        """0 and the call is counted, or the seconds after which it may fit; `now` never runs backwards."""
        second = int(now)
        self.by_second = {at: held for at, held in self.by_second.items() if at > second - WINDOW_SECONDS}
        wait = max(
            self._wait(second, minute.most_requests, minute.requests, "requests"),
            self._wait(second, minute.most_tokens, minute.tokens, "tokens"),
        )
        if wait == 0:
            held = self.by_second.get(second, Load())
            self.by_second[second] = Load(held.requests + minute.requests, held.tokens + minute.tokens)
        return wait

    def settle(self, second: int, tokens: int) -> None:
        """Add `tokens` (negative: give back) to a second that still counts."""
        if (held := self.by_second.get(second)) is not None:
            self.by_second[second] = Load(held.requests, max(0, held.tokens + tokens))

    def _wait(self, second: int, limit: int | None, wanted: int, unit: str) -> int:
        if limit is None:
            return 0
        over, wait = sum(getattr(held, unit) for held in self.by_second.values()) + wanted - limit, 0
        for at in sorted(self.by_second):
            if over <= 0:
                break
            over -= getattr(self.by_second[at], unit)
            wait = at + WINDOW_SECONDS - second
        return wait
