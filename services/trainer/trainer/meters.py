"""The trainer's Prometheus metrics, fed from step records and events."""

from contracts import metrics
from contracts.events import Event, PolicyPublished, PolicyRestored, PolicyRolledBack, PublishFailed, ReplicaLeft
from contracts.records import StepRecord
from prometheus_client import CollectorRegistry, Counter, Gauge

from trainer.quantities import PHASES, QUANTITIES, advantages_of, number_of


class Meters:
    """Counters start again with the process, as Prometheus expects."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.steps = Counter(metrics.STEPS_TOTAL, "Batches trained and published.", registry=registry)
        self.cold = Counter(metrics.COLD_BATCHES_TOTAL, "Batches in which nothing was earned.", registry=registry)
        self.zero = Counter(
            metrics.ZERO_GRADIENT_BATCHES_TOTAL, "Batches in which no token had an advantage.", registry=registry
        )
        self.masked = Counter(
            metrics.MASKED_EPISODES_TOTAL, "Episodes left out by the method: nothing to learn from.", registry=registry
        )
        self.gauges = {item.field: Gauge(item.metric, item.meaning, registry=registry) for item in QUANTITIES}
        self.attempt_decay = Gauge(
            metrics.ATTEMPT_DECAY_FACTOR,
            "mu of each attempt index: what a success earns.",
            ["attempt"],
            registry=registry,
        )
        self.attempt_advantage = Gauge(
            metrics.ATTEMPT_ADVANTAGE, "Mean advantage by attempt index.", ["attempt", "outcome"], registry=registry
        )
        self.staleness_bound = Gauge(
            metrics.STALENESS_BOUND, "max_staleness of the job that is trained.", registry=registry
        )
        self.phase = Gauge(metrics.PHASE_SECONDS, "Time of each phase of the last step.", ["phase"], registry=registry)
        self.version = Gauge(metrics.POLICY_VERSION, "Version that the engine was proved to serve.", registry=registry)
        self.swap_seconds = Gauge(metrics.SWAP_SECONDS, "Write, swap and proof of the last version.", registry=registry)
        self.swap_phase = Gauge(
            metrics.SWAP_PHASE_SECONDS, "Phases of the last version's swap.", ["phase"], registry=registry
        )
        self.swaps = Counter(metrics.SWAPS_TOTAL, "Versions that were published.", registry=registry)
        self.swap_failures = Counter(metrics.SWAP_FAILURES_TOTAL, "Swaps that were not proved.", registry=registry)
        self.roll_backs = Counter(metrics.SWAP_ROLLBACKS_TOTAL, "Swaps that were taken back.", registry=registry)
        self.replicas = Gauge(metrics.REPLICAS_IN_ROTATION, "Engine replicas that may sample.", registry=registry)

    def on_step(self, record: StepRecord) -> None:
        """A step was trained and published."""
        self.steps.inc()
        self.cold.inc(record.cold)
        self.zero.inc(record.zero_gradient)
        self.masked.inc(record.masked_episodes)
        for field, gauge in self.gauges.items():
            gauge.set(number_of(record, field))
        for line in record.attempts:
            self.attempt_decay.labels(line.attempt).set(line.decay_factor)
            for outcome, advantage in advantages_of(line).items():
                self.attempt_advantage.labels(line.attempt, outcome).set(advantage)
        for phase in PHASES:
            self.phase.labels(phase).set(record.phase_seconds.get(phase, 0.0))

    def on_event(self, event: Event) -> None:
        """The publisher told something."""
        if isinstance(event, PublishFailed):
            self.swap_failures.inc()
        if isinstance(event, PolicyRolledBack):
            self.roll_backs.inc()
        if isinstance(event, ReplicaLeft | PolicyRestored | PolicyRolledBack):
            self.replicas.set(event.in_rotation)
        if isinstance(event, PolicyPublished):
            self.version.set(event.policy_version)
            self.swap_seconds.set(event.seconds)
            self.swaps.inc()
            self.replicas.set(event.in_rotation)
            for phase, seconds in event.phase_seconds.items():
                self.swap_phase.labels(phase).set(seconds)
