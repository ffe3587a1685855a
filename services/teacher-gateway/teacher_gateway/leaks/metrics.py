"""Leak rate per teacher: judged guidance by what the rules found."""

from collections.abc import Sequence
from functools import cache

from contracts import metrics
from prometheus_client import CollectorRegistry, Counter
from servicekit.tally import Tally


class LeakMetrics:
    """The leak rate is rule != "none" over all; guidance that several rules hit counts under the first."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tally = Tally(registry)
        self._judged = Counter(
            metrics.GUIDANCE_JUDGED_TOTAL,
            "Guidance that the leak guard judged, by the first rule that found a leak.",
            ["rung", "rule"],
            registry=registry,
        )
        self._at = cache(self._judged.labels)  # the registry keeps every series anyway
        self._not_probed = Counter(
            metrics.LEAK_PROBES_FAILED_TOTAL, "Guidance that the student did not probe.", ["rung"], registry=registry
        )

    def not_probed(self, rung: str) -> None:
        """The student engine did not answer; the rules alone judged."""
        self._not_probed.labels(rung).inc()

    def count(self, rung: str, rules: Sequence[str]) -> None:
        """One first guidance of a teacher."""
        self._tally.add(self._count, rung, rules[0] if rules else "none")

    def _count(self, rung: str, rule: str) -> None:
        self._at(rung, rule).inc()
