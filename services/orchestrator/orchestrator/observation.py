"""The controller's Prometheus metrics."""

from collections import Counter as Count
from collections.abc import Iterable

from contracts import metrics
from contracts.records import EvaluationRecord
from contracts.statuses import JobStatus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from orchestrator.vitals import Vitals


class ControllerMetrics:
    """What an operator wants to see of the controller."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Gauge(metrics.JOBS, "Jobs by status.", ["status"], registry=registry)
        self._vitals = {
            field: Gauge(name, text, registry=registry)
            for field, name, text in (
                ("queued_chunks", metrics.ROLLOUT_QUEUE_CHUNKS, "Chunks of episodes that no worker has taken yet."),
                ("backlog_episodes", metrics.TRAINER_BACKLOG_EPISODES, "Episodes in no committed checkpoint yet."),
                ("redis_bytes", metrics.REDIS_MEMORY_BYTES, "Memory of Redis' data."),
                ("budget_used", metrics.BUDGET_USED, "Largest share of the running job's teacher caps in use."),
            )
        }
        self._held_out = {
            field: Gauge(name, text, registry=registry)
            for field, name, text in (
                ("unassisted_accuracy", metrics.HELD_OUT_UNASSISTED_ACCURACY, "First attempts, last evaluation."),
                ("guided_accuracy", metrics.HELD_OUT_GUIDED_ACCURACY, "Within K attempts, last evaluation."),
            )
        }
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

    def show_vitals(self, vitals: Vitals) -> None:
        """Show the queues, Redis' memory and the budget; no budget is no number."""
        for field, gauge in self._vitals.items():
            value = getattr(vitals, field)
            gauge.set(float("nan") if value is None else value)

    def show_evaluation(self, record: EvaluationRecord) -> None:
        """Show the accuracy on the held-out questions."""
        for field, gauge in self._held_out.items():
            gauge.set(getattr(record, field))

    def forget(self) -> None:
        """Show nothing of the system: another controller leads now, and what this one saw last would stay for ever."""
        self._jobs.clear()
        for gauge in (*self._vitals.values(), *self._held_out.values()):
            gauge.set(float("nan"))
