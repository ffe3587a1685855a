"""Which phase the trainer is in, and how long each took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by phase since the last `reset`; `phase` is read by other threads."""

    def __init__(self) -> None:
        self.phase = "idle"
        self.seconds: dict[str, float] = {}

    def reset(self) -> None:
        """Begin a step."""
        self.seconds = {}

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Time a phase."""
        before, self.phase, started = self.phase, phase, time.monotonic()
        try:
            yield
        finally:
            self.phase = before
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - started
