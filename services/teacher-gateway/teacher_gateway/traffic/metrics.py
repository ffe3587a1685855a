"""How long guidance waits for a provider's limits."""

from functools import cache

from contracts import metrics
from prometheus_client import CollectorRegistry, Counter, Histogram
from servicekit.tally import Tally

# From no wait at all to the longest deadline of a job.
SECONDS_BUCKETS = (0.01, 0.1, 1, 5, 15, 30, 60, 120, 300, 600)


class TrafficMetrics:
    """By provider."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tally = Tally(registry)
        self._waited = Histogram(
            metrics.TEACHER_LIMIT_WAIT_SECONDS,
            "Time that a call waited for its provider's limits.",
            ["provider"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._at = cache(self._waited.labels)  # the registry keeps every series anyway
        self._refused = Counter(
            metrics.TEACHER_RATE_LIMITED_TOTAL,
            "Calls that the limits would not have let through before their deadline.",
            ["provider"],
            registry=registry,
        )

    def waited(self, provider: str, seconds: float) -> None:
        self._tally.add(self._wait, provider, seconds)

    def refused(self, provider: str) -> None:
        self._refused.labels(provider).inc()

    def _wait(self, provider: str, seconds: float) -> None:
        self._at(provider).observe(seconds)
