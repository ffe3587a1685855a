"""Dashboards and rules name only metrics that there are: docs/metrics.md, which is made from the code, has them."""

import json
import re
from collections.abc import Iterator

import yaml

from ..stacks import REPOSITORY

NAME = re.compile(r"\b(?:socratic|sglang|process)[_:]\w+(?::\w+)*")
SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def metrics() -> set[str]:
    """With the standard names of the process collector."""
    page = (REPOSITORY / "docs/metrics.md").read_text()
    return set(re.findall(r"^\| `((?:socratic_|sglang:)\w+)`", page, re.M)) | {
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    }


def rules() -> Iterator[dict[str, str]]:
    for path in sorted((REPOSITORY / "deploy/prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for path in sorted((REPOSITORY / "deploy/grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel.get("targets", []))


def test_every_name_is_a_metric_or_a_recorded_one() -> None:
    known = metrics() | {rule["record"] for rule in rules() if "record" in rule}
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 40
    assert {name for name in named if name not in known and SUFFIX.sub("", name) not in known} == set()


def test_every_recorded_name_is_used() -> None:
    used = {name for expression in expressions() for name in NAME.findall(expression)}
    assert {rule["record"] for rule in rules() if "record" in rule} <= used
