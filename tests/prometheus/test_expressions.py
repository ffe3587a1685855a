"""Every expression of every dashboard and rule gives data on a real stack, or is known to be empty for a reason."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from ..stacks import REPOSITORY
from .conftest import JOB_SECONDS, START_SECONDS, Prometheus

pytestmark = pytest.mark.timeout(JOB_SECONDS + 4 * START_SECONDS)
THRESHOLD = re.compile(r"(?:>=|<=|==|>|<) (?=[\d.]+)[\d.]+")
# Expressions that a healthy demo job leaves empty.
EXPECTED_EMPTY = {
    'sum by (rule) (increase(socratic_guidance_judged_total{rule!="none"}[15m])) '
    "/ scalar(sum(increase(socratic_guidance_judged_total[15m])))": "the tutor gives no answer away",
    "sum by (provider) (increase(socratic_teacher_rate_limited_total[5m]))": "the tutor has no limits",
    "histogram_quantile(0.95, sum by (provider, le) (rate(socratic_teacher_limit_wait_seconds_bucket[5m])))": (
        "the tutor has no limits"
    ),
    "socratic_budget_used_ratio > -1e12": "the job is over, and its budget with it",
    "sum(increase(socratic_chunks_redispatched_total[10m]))": "no worker was lost",
}


def dashboards() -> Iterator[tuple[str, str]]:
    for path in sorted((REPOSITORY / "deploy/grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']}", target["expr"]


def rules() -> Iterator[tuple[str, str]]:
    """Recording rules and what they record; alerts, which give nothing as long as all is well, without thresholds."""
    for path in sorted((REPOSITORY / "deploy/prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    yield rule["record"], rule["expr"]
                    yield rule["record"], rule["record"]
                else:
                    yield rule["alert"], THRESHOLD.sub("> -1e12", rule["expr"])


def test_every_expression_gives_data(prometheus: Prometheus) -> None:
    expressions = [*dashboards(), *rules()]
    empty = {(where, expression) for where, expression in expressions if not prometheus.values(expression)}
    assert {item for item in empty if item[1] not in EXPECTED_EMPTY} == set()
    # A reason that no longer holds goes from the list.
    assert {expression for _, expression in empty} == set(EXPECTED_EMPTY)


def test_no_alert_fires_in_a_healthy_job(prometheus: Prometheus) -> None:
    assert [alert for alert in prometheus.get("alerts")["alerts"] if alert["state"] == "firing"] == []


def test_the_numbers_are_those_of_the_job(prometheus: Prometheus) -> None:
    assert prometheus.values("socratic_training_steps_total") == [8]
    assert prometheus.values("socratic_policy_version") == [8]
    assert sum(prometheus.values('socratic_episodes_total{purpose="train"}')) == 8 * 12 * 8
    assert prometheus.values("socratic_staleness_bound_versions") == [1]
    assert prometheus.values("socratic_trainer_backlog_episodes") == [0]
    (used,) = prometheus.values("max_over_time(socratic_budget_used_ratio[10m])")
    assert 0 < used < 8 * 12 * 8 * 2 / 100_000, "at most a request for each episode and question, of 100,000"


def test_every_label_is_one_of_those_that_are_bounded(prometheus: Prometheus) -> None:
    page = (REPOSITORY / "docs/metrics.md").read_text().split("\n## Labels\n", 1)[1]
    bounded = set(re.findall(r"^\| `(\w+)` \|", page, re.M))
    series = prometheus.get("series", **{"match[]": '{__name__=~"socratic_.+"}'})
    found = {label for labels in series for label in labels} - {"__name__", "job", "instance", "le"}
    assert found <= bounded
