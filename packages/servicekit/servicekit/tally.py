"""Figures that are written down when something happens and added up when they are asked for.

A service that is asked seldom runs cold code, and a metric of prometheus_client is a dozen calls: many together cost a
fraction of as many alone.
"""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

# Added up at once without being asked: within a millisecond.
MOST_KEPT = 256


class Tally(Collector):
    """Of the metrics that are registered after it: a registry asks in that order, so each scrape finds all."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._kept: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        registry.register(self)

    def add(self, count: Callable[..., None], *what: Any) -> None:
        """Call `count` with these, some time before anybody looks."""
        self._kept.append((count, what))
        if len(self._kept) >= MOST_KEPT:
            self.collect()

    def collect(self) -> Iterable[Metric]:
        """Adds up; has no metric of its own."""
        kept, self._kept = self._kept, []
        for count, what in kept:
            count(*what)
        return ()

    def describe(self) -> Iterable[Metric]:
        """None either."""
        return ()
