"""What an engine has done since its start."""

import time
from dataclasses import dataclass, field

# Throughput is averaged over windows of this length.
WINDOW_SECONDS = 1.0


@dataclass
class Counters:
    """Totals since the start, written by the engine's thread only."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    finished: int = 0
    aborted: int = 0
    throughput: float = 0.0
    """Tokens per second, over the last window."""
    window: tuple[float, int] = field(default_factory=lambda: (time.perf_counter(), 0))
    """When the window began, and how many tokens had been generated then."""

    def measure(self) -> None:
        """End the window if it is long enough."""
        now, (since, tokens) = time.perf_counter(), self.window
        if now - since >= WINDOW_SECONDS:
            self.throughput = (self.generated_tokens - tokens) / (now - since)
            self.window = (now, self.generated_tokens)
