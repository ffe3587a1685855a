"""The trainer's Prometheus metrics, fed from step records and events."""

from contracts import metrics
from contracts.events import Event, PolicyPublished, PublishFailed
from contracts.records import StepRecord
from prometheus_client import CollectorRegistry, Counter, Gauge

PHASES = ("wait", "update", "checkpoint", "publish")
GAUGES = {
    metrics.UNASSISTED_ACCURACY: ("Share of the last batch's first attempts that were right.", "unassisted_accuracy"),
    metrics.GUIDED_ACCURACY: ("Share of the last batch's episodes with a right attempt.", "guided_accuracy"),
    metrics.DECAY_FACTOR: ("mu of the last batch: what a second-attempt success earns.", "decay_factor"),
    metrics.LOGPROB_GAP_MAX: ("Largest engine/trainer log-probability gap of the last batch.", "logprob_gap_max"),
    metrics.ENTROPY: ("Mean entropy over the last batch's student tokens.", "entropy"),
    metrics.GRADIENT_NORM: ("Gradient norm of the last update, before clipping.", "gradient_norm"),
}


class Meters:
    """Counters start again with the process, as Prometheus expects."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.steps = Counter(metrics.STEPS_TOTAL, "Batches trained and published.", registry=registry)
        self.cold = Counter(metrics.COLD_BATCHES_TOTAL, "Batches in which nothing was earned.", registry=registry)
        self.zero = Counter(
            metrics.ZERO_GRADIENT_BATCHES_TOTAL, "Batches in which no token had an advantage.", registry=registry
        )
        self.gauges = {field: Gauge(name, help_text, registry=registry) for name, (help_text, field) in GAUGES.items()}
        self.phase = Gauge(metrics.PHASE_SECONDS, "Time of each phase of the last step.", ["phase"], registry=registry)
        self.version = Gauge(metrics.POLICY_VERSION, "Version that the engine was proved to serve.", registry=registry)
        self.swap_seconds = Gauge(metrics.SWAP_SECONDS, "Write, swap and proof of the last version.", registry=registry)
        self.swap_failures = Counter(metrics.SWAP_FAILURES_TOTAL, "Swaps that were not proved.", registry=registry)

    def on_step(self, record: StepRecord) -> None:
        """A step was trained and published."""
        self.steps.inc()
        self.cold.inc(record.cold)
        self.zero.inc(record.zero_gradient)
        for field, gauge in self.gauges.items():
            gauge.set(getattr(record, field))
        for phase in PHASES:
            self.phase.labels(phase).set(record.phase_seconds.get(phase, 0.0))

    def on_event(self, event: Event) -> None:
        """The publisher told something."""
        if isinstance(event, PublishFailed):
            self.swap_failures.inc()
        if isinstance(event, PolicyPublished):
            self.version.set(event.policy_version)
            self.swap_seconds.set(event.seconds)
