"""Writes docs/metrics.md from the code: every metric of every service with type, labels and meaning.

`--check` writes nothing and exits 1 where the page is not what the code says.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.observation import ControllerMetrics
from orchestrator.rollout.metrics import RolloutMetrics
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from servicekit.app import create_service
from starlette.testclient import TestClient
from student_inference.app import create_app
from student_inference.settings import InferenceSettings
from teacher_gateway.leaks.metrics import LeakMetrics
from teacher_gateway.observation import GuidanceMetrics
from teacher_gateway.traffic.metrics import TrafficMetrics
from trainer.disk import watch_disk
from trainer.meters import Meters

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs/metrics.md"
# What keeps the number of series finite. A label that is not in this table is refused.
LABELS = {
    "attempt": "1 to K, 16 at most",
    "kind": "`prompt`, `completion`",
    "method": "HTTP methods, any unusual one as `other`",
    "outcome": "outcomes of an attempt or a guidance, `failed`, codes of the gateway's problems",
    "phase": "the trainer's phases",
    "provider": "built-in providers and those of the teachers file",
    "purpose": "`train`, `eval`, `single`",
    "route": "route templates, never paths; anything else as `unmatched`",
    "rule": "rules of the leak guard, `none`",
    "rung": "built-in teachers and those of the teachers file",
    "service": "the five services",
    "status": "statuses of a job; HTTP status codes",
}
INTRODUCTION = """# Metrics

Made from the code by `python tools/metrics_reference.py`; a test compares. Every service answers `GET /metrics`.

One scheme: `socratic_`, what is measured, the base unit (`seconds`, `bytes`, `nats`, `usd`, `ratio` from 0 to 1),
`_total` for what only grows. A histogram `x` has the series `x_bucket`, `x_sum` and `x_count`. Trainer gauges are of
the last batch. Rates and ratios that dashboards and alerts share are recorded as `socratic:what:how` in
[recording.yml](../deploy/prometheus/rules/recording.yml); alerts are in
[alerts.yml](../deploy/prometheus/rules/alerts.yml), and [operations.md](operations.md) says what to do about each.

The CPU engine shows SGLang's own names (`sglang:...`), so that dashboards work with either; of SGLang's many metrics
it has those that are listed. Every service but the engine shows `process_resident_memory_bytes`,
`process_cpu_seconds_total` and the other standard `process_` metrics.
"""


@dataclass(frozen=True)
class Row:
    """One metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def rows_of(registry: CollectorRegistry) -> Iterator[Row]:
    """Metrics in the order in which the service made them."""
    collectors: list[Collector] = list(registry._collector_to_names)  # the registry has no public list
    for collector in collectors:
        if isinstance(collector, MetricWrapperBase):
            (metric,) = collector.describe()
            suffix = "_total" if metric.type == "counter" else ""
            yield Row(metric.name + suffix, metric.type, tuple(collector._labelnames), metric.documentation)


def http(registry: CollectorRegistry) -> None:
    """What all of them have; the middleware that measures is made at the first request."""
    TestClient(create_service("any", [], registry)).get("/healthz")


def gateway(registry: CollectorRegistry) -> None:
    GuidanceMetrics(registry)
    TrafficMetrics(registry)
    LeakMetrics(registry)


def trainer(registry: CollectorRegistry) -> None:
    Meters(registry)
    watch_disk(Path(), registry)


def engine_rows() -> Iterator[Row]:
    """Those of the CPU engine, which reads most of them from itself at every scrape: so it has to be asked."""
    app = create_app(InferenceSettings(model_path=REPOSITORY / "models/materials-base"))
    for metric in text_string_to_metric_families(TestClient(app).get("/metrics").text):
        suffix = "_total" if metric.type == "counter" else ""
        if not metric.name.endswith("_created"):
            yield Row(metric.name + suffix, metric.type, (), metric.documentation)


SERVICES: dict[str, Callable[[CollectorRegistry], object]] = {
    "Every HTTP service": http,
    "Orchestrator": ControllerMetrics,
    "Rollout worker": RolloutMetrics,
    "Teacher gateway": gateway,
    "Trainer": trainer,
}


def all_rows() -> dict[str, list[Row]]:
    """By service. Raises KeyError for a label that nothing is known to bound."""
    found = {}
    for service, measure in SERVICES.items():
        registry = CollectorRegistry()
        measure(registry)
        found[service] = list(rows_of(registry))
    found["Student engine"] = list(engine_rows())
    for label in {label for rows in found.values() for row in rows for label in row.labels}:
        if label not in LABELS:
            raise KeyError(f"label {label!r}: say in LABELS what bounds it; ids of jobs or episodes never are labels")
    return found


def page() -> str:
    """docs/metrics.md."""
    parts = [INTRODUCTION]
    for service, rows in all_rows().items():
        parts.append(f"\n## {service}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n")
        parts += [f"| `{row.name}` | {row.kind} | {', '.join(row.labels)} | {row.meaning} |\n" for row in rows]
    parts.append("\n## Labels\n\nWhat bounds each, so that no client and no job can make series without end.\n\n")
    parts.append("| label | values |\n|---|---|\n")
    parts += [f"| `{label}` | {bound} |\n" for label, bound in LABELS.items()]
    return "".join(parts)


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return 0 if PAGE.read_text() == page() else 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
