"""A real Prometheus that watches a real stack through a short training job."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from contracts.jobs import JobSpec
from contracts.statuses import TERMINAL, JobStatus
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.plan import REDIS
from socratic.stack.ports import draw_ports
from socratic.stack.state import StackState

from ..stacks import REPOSITORY, materials_stack

# Starting takes a second; a machine under full load needs more.
START_SECONDS = 30
JOB_SECONDS = 240
# Every series has several points within the shortest window of the rules, one minute.
SCRAPE_SECONDS = "1s"
SPEC = JobSpec.model_validate(
    {
        "name": "watched",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
        "teacher": {"provider": "tutor", "budget": {"requests": 100_000}},
        "rollout": {"prompts_per_step": 12, "group_size": 8, "max_answer_tokens": 32, "max_staleness": 1},
        "training": {"steps": 8, "learning_rate": 4e-4, "checkpoint_every": 2},
        "evaluation": {"every": 4, "questions": 40},
    }
)


class Prometheus:
    """Its HTTP API, asked at one moment: the end of the job."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.at = 0.0

    def get(self, path: str, **parameters: Any) -> Any:
        answer = httpx2.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=START_SECONDS).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expression: str) -> list[float]:
        """What an expression gives, a number for each series."""
        return [float(series["value"][1]) for series in self.get("query", query=expression, time=self.at)["result"]]


def configuration(stack: StackState) -> dict[str, Any]:
    """The compose system's own, with this stack's addresses."""
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "deploy/prometheus/prometheus.yml").read_text())
    addresses = {item.name: item.url.removeprefix("http://") for item in stack.processes if item.name != REDIS}
    config["global"] = {"scrape_interval": SCRAPE_SECONDS, "evaluation_interval": SCRAPE_SECONDS}
    config["rule_files"] = [str(REPOSITORY / "deploy/prometheus/rules/*.yml")]
    del config["alerting"]
    watched = [item for item in config["scrape_configs"] if item["job_name"] != "prometheus"]
    config["scrape_configs"] = [
        {
            "job_name": item["job_name"],
            "static_configs": [
                {"targets": [url for name, url in addresses.items() if name.startswith(item["job_name"])]}
            ],
        }
        for item in watched
    ]
    assert all(item["static_configs"][0]["targets"] for item in config["scrape_configs"])
    return config


def start_prometheus(directory: Path, stack: StackState) -> tuple["subprocess.Popen[bytes]", Prometheus]:
    file, address = directory / "prometheus.yml", f"127.0.0.1:{draw_ports(['prometheus'], {})['prometheus']}"
    file.write_text(yaml.safe_dump(configuration(stack)))
    options = [
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'series'}",
        f"--web.listen-address={address}",
    ]
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)
    return process, Prometheus(f"http://{address}")


def run_job(stack: StackState) -> None:
    deadline = time.monotonic() + JOB_SECONDS
    with Client(stack.orchestrator_url) as client:
        job = client.submit(SPEC)
        while (job := client.get(job.id)).status not in TERMINAL:
            assert time.monotonic() < deadline, job
            time.sleep(0.5)
        assert job.status == JobStatus.SUCCEEDED, job.error


def settle(prometheus: Prometheus) -> None:
    """Until the controller's look behind the end, some seconds later, is scraped too: no job, so no budget."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        prometheus.at = time.time()
        if prometheus.values("socratic_budget_used_ratio != socratic_budget_used_ratio"):
            return
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """After the job, with everything that it scraped."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed; on Debian: apt-get install prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    with own_stack(materials_stack(directory / "stack"), os.environ, lambda state: None) as stack:
        process, prometheus = start_prometheus(directory, stack)
        try:
            run_job(stack)
            settle(prometheus)
            yield prometheus
        finally:
            process.terminate()
            process.wait(START_SECONDS)
