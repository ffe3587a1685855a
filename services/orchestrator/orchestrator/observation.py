"""The controller's Prometheus metrics."""

from collections import Counter as Count
from collections.abc import Iterable

from contracts import metrics
from contracts.statuses import JobStatus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ControllerMetrics:
    """What an operator wants to see of the controller."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Gauge(metrics.JOBS, "Jobs by status.", ["status"], registry=registry)
        self.tick_seconds = Histogram(
            metrics.CONTROLLER_TICK_SECONDS, "Time of one look at what is due.", registry=registry
        )
        self.redispatches = Counter(
            metrics.CHUNKS_REDISPATCHED_TOTAL,
            "Chunks handed out again because their worker was lost.",
            ["purpose"],
            registry=registry,
        )

    def count_jobs(self, statuses: Iterable[JobStatus]) -> None:
        """Show how many jobs have each status."""
        counts = Count(statuses)
        for status in JobStatus:
            self._jobs.labels(status.value).set(counts[status])
