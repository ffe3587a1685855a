"""Requests and tokens of the last minute, counted by the second: pure, so that what it promises can be proved."""

from dataclasses import dataclass, field

from teacher_gateway.teachers_file import Limits

# 60 seconds and the one that was already running: so that no 60 seconds, wherever they begin, hold more than the limit.
WINDOW_SECONDS = 61


@dataclass(frozen=True)
class Load:
    """What one call puts on a provider."""

    requests: int
    tokens: int

    def within(self, limits: Limits) -> "Load":
        """A call that no empty minute could hold counts as a whole one: it must be possible to make it at all."""
        tokens = self.tokens if limits.tokens_per_minute is None else min(self.tokens, limits.tokens_per_minute)
        return Load(self.requests, tokens)


@dataclass
class Window:
    """Loads by the second in which they began."""

    by_second: dict[int, Load] = field(default_factory=dict)

    def take(self, now: float, load: Load, limits: Limits) -> int:
        """0 and the load is counted, or the seconds after which it may fit; `now` never runs backwards."""
        second = int(now)
        self.by_second = {at: held for at, held in self.by_second.items() if at > second - WINDOW_SECONDS}
        wait = max(
            self._wait(second, limits.requests_per_minute, load.requests, "requests"),
            self._wait(second, limits.tokens_per_minute, load.tokens, "tokens"),
        )
        if wait == 0:
            held = self.by_second.get(second, Load(0, 0))
            self.by_second[second] = Load(held.requests + load.requests, held.tokens + load.tokens)
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
