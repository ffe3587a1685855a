"""Prometheus' rules: checked and unit-tested by promtool, and complete: each alert is tested and has its runbook."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from ..stacks import REPOSITORY

COMMAND_SECONDS = 60
PROMETHEUS = REPOSITORY / "deploy/prometheus"
ALERTS = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules/alerts.yml").read_text())["groups"] for rule in group["rules"]
]
CASES: list[dict[str, Any]] = [
    case
    for test in yaml.safe_load((PROMETHEUS / "tests/alerts.yml").read_text())["tests"]
    for case in test["alert_rule_test"]
]


def promtool(*arguments: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; on Debian: apt-get install prometheus")
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("check", "rules", "rules/recording.yml", "rules/alerts.yml")


def test_every_alert_fires_and_keeps_quiet_when_it_should() -> None:
    promtool("test", "rules", "tests/alerts.yml")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_a_case_of_each_kind_and_a_runbook_entry(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    outcomes = {bool(case["exp_alerts"]) for case in CASES if case["alertname"] == name}
    assert outcomes == {True, False}, "one case in which it fires, one in which it does not"
    assert alert["labels"]["severity"] in ("page", "warning")
    assert alert["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    entry = re.search(rf"^### {name}\n(.*?)(?=^#|\Z)", (REPOSITORY / "docs/operations.md").read_text(), re.M | re.S)
    assert entry, f"docs/operations.md needs an entry ### {name}"
    for part in ("**Means**", "**Look**", "**Do**"):
        assert part in entry[1], f"the entry of {name} says nothing under {part}"
