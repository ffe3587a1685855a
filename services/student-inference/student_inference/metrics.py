"""Prometheus metrics under SGLang's names, read from the engine at every scrape."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from student_inference.engine import Engine
from student_inference.request import Request

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class EngineCollector(Collector):
    """Gauges and counters of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def collect(self) -> Iterator[Metric]:
        engine = self.engine
        counters, cache, scheduler = engine.counters, engine.cache, engine.scheduler
        used = (cache.num_blocks - cache.available) * cache.block_size
        gauges = {
            "num_running_reqs": ("Requests in the running batch.", len(scheduler.running)),
            "num_queue_reqs": ("Requests in the waiting line.", len(scheduler.waiting)),
            "num_used_tokens": ("Cache positions held by running requests.", used),
            "max_total_num_tokens": ("Cache positions.", cache.num_blocks * cache.block_size),
            "token_usage": ("Share of the cache held by running requests.", used / cache.num_blocks / cache.block_size),
            "gen_throughput": ("Generated tokens per second, over the last window.", counters.throughput),
            "cache_hit_rate": (
                "Share of all prompt tokens that came from the prefix cache.",
                counters.cached_tokens / max(counters.prompt_tokens, 1),
            ),
        }
        totals = {
            "prompt_tokens": ("Prompt tokens taken in.", counters.prompt_tokens),
            "cached_tokens": ("Prompt tokens that came from the prefix cache.", counters.cached_tokens),
            "generation_tokens": ("Tokens generated.", counters.generated_tokens),
            "num_requests": ("Requests that ended.", counters.finished),
            "num_aborted_requests": ("Requests that were aborted.", counters.aborted),
            "num_weight_updates": ("Weight swaps since the start (no SGLang name).", engine.generation),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"sglang:{name}", text, value)
        for name, (text, total) in totals.items():
            yield CounterMetricFamily(f"sglang:{name}", text, total)


class Latencies:
    """Histograms of finished requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str) -> Histogram:
            return Histogram(f"sglang:{name}", text, buckets=LATENCY_BUCKETS, registry=registry)

        self.first_token = histogram("time_to_first_token_seconds", "From arrival to the first token.")
        self.whole = histogram("e2e_request_latency_seconds", "From arrival to the last token.")

    def observe(self, request: Request) -> None:
        if request.first_token_at is not None:
            self.first_token.observe(request.first_token_at - request.arrived)
        if request.finished_at is not None:
            self.whole.observe(request.finished_at - request.arrived)
