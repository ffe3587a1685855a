"""Which phase the trainer is in, and how long each took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Linux: the name of the main thread, which ps and top show. The kernel keeps 15 bytes of it.
PROCESS_NAME = Path("/proc/self/comm")
LONGEST_NAME = 15


class Stopwatch:
    """Seconds by phase since the last `reset`; `phase` is read by other threads. `show` hears every change."""

    def __init__(self, show: Callable[[str], None] = lambda phase: None) -> None:
        self.show = show
        self.phase = "idle"
        self.seconds: dict[str, float] = {}

    def reset(self) -> None:
        """Begin a step."""
        self.seconds = {}

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Time a phase; one inside another counts for both."""
        before, started = self.phase, time.monotonic()
        self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - started

    def enter(self, phase: str) -> None:
        """From now on."""
        self.phase = phase
        self.show(phase)


def process_name(phase: str) -> str:
    """What `ps -o comm` says of a trainer in this phase."""
    return f"trainer:{phase}"[:LONGEST_NAME]


def show_in_process_name(phase: str) -> None:
    """So that ps and top tell what the trainer is at. Other systems than Linux have no such name."""
    if PROCESS_NAME.exists():
        PROCESS_NAME.write_text(process_name(phase))
