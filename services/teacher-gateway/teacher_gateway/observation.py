"""Metrics of the gateway. The outcome label is `complete`, `truncated`, `replayed`, or the code of the problem."""

from functools import cache
from typing import Any

from contracts import metrics
from prometheus_client import CollectorRegistry, Counter, Histogram
from servicekit.tally import Tally

from teacher_gateway.providers.base import Reply

# From a rule-based tutor on the same machine to a large model under load, up to the longest deadline of a job.
SECONDS_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class GuidanceMetrics:
    """Counts, seconds, tokens and USD by provider and outcome."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tally = Tally(registry)
        labels = ["provider", "outcome"]
        self._total = Counter(metrics.GUIDANCE_TOTAL, "Guidance asked for.", labels, registry=registry)
        self._seconds = Histogram(
            metrics.GUIDANCE_SECONDS,
            "Time of one guidance, retries included.",
            labels,
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._tokens = Counter(
            metrics.GUIDANCE_TOKENS_TOTAL,
            "The provider's count of tokens, prompt and completion.",
            ["provider", "kind"],
            registry=registry,
        )
        self._rungs = Counter(
            metrics.GUIDANCE_RUNGS_TOTAL, "Guidance given, by the rung of the ladder.", ["rung"], registry=registry
        )
        self._spend = Counter(
            metrics.GUIDANCE_SPEND_USD_TOTAL, "Price of the guidance in USD.", ["provider"], registry=registry
        )
        self._at = cache(child)  # the registry keeps every series anyway

    def count(self, provider: str, outcome: str, seconds: float) -> None:
        """One guidance, given or failed."""
        self._tally.add(self._count, provider, outcome, seconds)

    def charge(self, provider: str, rung: str, reply: Reply) -> None:
        """Who gave a guidance, and what it used."""
        self._tally.add(self._charge, provider, rung, reply.prompt_tokens, reply.completion_tokens, reply.price_usd)

    def _count(self, provider: str, outcome: str, seconds: float) -> None:
        self._at(self._total, provider, outcome).inc()
        self._at(self._seconds, provider, outcome).observe(seconds)

    def _charge(self, provider: str, rung: str, prompt_tokens: int, completion_tokens: int, price_usd: float) -> None:
        self._at(self._rungs, rung).inc()
        self._at(self._tokens, provider, "prompt").inc(prompt_tokens)
        self._at(self._tokens, provider, "completion").inc(completion_tokens)
        self._at(self._spend, provider).inc(price_usd)


def child(metric: Any, *labels: str) -> Any:
    """The series with these labels."""
    return metric.labels(*labels)
