"""The compose system does what the README says: it learns, and neither a restart nor a shutdown loses anything."""

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.statuses import JobStatus
from contracts.views import Job
from trainer.archive import read_batch

from .system import BUILD_SECONDS, HEALTHY_SECONDS, ComposeSystem

# About a second each: the job must outlast nine restarts and a shutdown.
STEPS = 80
# The loss of a service costs a step at most some twenty seconds; the whole job takes one to three minutes.
STEP_SECONDS = 120
JOB_SECONDS = 600
pytestmark = [pytest.mark.compose, pytest.mark.timeout(BUILD_SECONDS + HEALTHY_SECONDS + 2 * JOB_SECONDS)]
RESTARTED = [
    "tutor",
    "teacher-gateway",
    "rollout-worker",
    "student-inference",
    "trainer",
    "orchestrator",
    "redis",
    "prometheus",
    "alertmanager",
]
TORCH_CUDA = "import torch; print(torch.version.cuda)"
HAS_TORCH = "import importlib.util as util; print(util.find_spec('torch') is not None)"
SPEC = JobSpec.model_validate(
    {
        "name": "composed",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials"},
        "teacher": {"provider": "tutor"},
        "rollout": {"max_attempts": 2, "prompts_per_step": 64, "group_size": 2, "max_answer_tokens": 32},
        "training": {
            "steps": STEPS,
            "learning_rate": 4e-4,
            "schedule": "linear",
            "warmup_steps": 4,
            "betas": [0.9, 0.98],
            "weight_decay": 0.0,
            "checkpoint_every": 4,
        },
        "evaluation": {"every": STEPS, "questions": 240, "max_attempts": 2, "temperature": 0.0},
    }
)


def eventually(what: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def job_of(system: ComposeSystem, job_id: str) -> Job | None:
    """None while the orchestrator or Redis is away."""
    try:
        with system.client() as client:
            return client.get(job_id)
    except (Problem, AssertionError):
        return None


def wait_for_step(system: ComposeSystem, job_id: str, step: int) -> None:
    def reached() -> bool:
        job = job_of(system, job_id)
        assert job is None or job.status != JobStatus.FAILED, job.error
        assert job is None or job.finished_at is None, "the job ended before all services were restarted: raise STEPS"
        return job is not None and job.progress.step >= step

    eventually(reached, STEP_SECONDS)


def trained(system: ComposeSystem, job_id: str, directory: Path) -> list[str]:
    """Ids of the episodes of all archived batches, step by step."""
    system.compose("cp", "trainer:/var/lib/socratic/.", str(directory))
    return [item.episode_id for step in range(STEPS) for item in read_batch(directory, job_id, step + 1)]


def scraped(system: ComposeSystem, at: float | None = None) -> Counter[str]:
    """Reachable targets of each Prometheus job, now or at a Unix time."""
    url, when = system.address("prometheus", 9090) + "/api/v1/query", {} if at is None else {"time": str(at)}
    answer = httpx2.get(url, params={"query": "up == 1"} | when)
    return Counter(series["metric"]["job"] for series in answer.json()["data"]["result"])


def test_every_service_is_healthy_and_nobody_is_root(system: ComposeSystem) -> None:
    assert {item["Service"]: item["Health"] for item in system.containers()} == dict.fromkeys(
        system.services(), "healthy"
    )
    for service in system.services():
        assert system.compose("exec", "-T", service, "id", "-u").strip() != "0", service


def test_the_gpu_profile_is_a_valid_system(system: ComposeSystem) -> None:
    """It cannot start without GPUs, but compose reads it: every reference and every type is right."""
    names = system.compose("--profile", "gpu", "config", "--services").split()
    assert {"student-inference-gpu", "trainer-gpu", "teacher-gpu"} <= set(names)


def test_torch_is_the_cpu_build_and_only_where_it_is_needed(system: ComposeSystem) -> None:
    for service in ("trainer", "student-inference"):
        assert system.python(service, TORCH_CUDA) == "None", service
    for service in ("orchestrator", "rollout-worker", "teacher-gateway", "tutor"):
        assert system.python(service, HAS_TORCH) == "False", service


def test_redis_and_the_weights_of_the_engine_are_closed(system: ComposeSystem) -> None:
    assert "NOAUTH" in system.compose("exec", "-T", "redis", "redis-cli", "dbsize")
    ask = (
        "import urllib.request as u, urllib.error as e\n"
        "try: u.urlopen(u.Request('http://student-inference:30000/flush_cache', method='POST'))\n"
        "except e.HTTPError as error: print(error.code)"
    )
    assert system.python("tutor", ask) == "401"


def test_prometheus_reaches_every_service_knows_the_rules_and_alertmanager(system: ComposeSystem) -> None:
    watched = {
        "orchestrator",
        "rollout-worker",
        "student-inference",
        "teacher-gateway",
        "trainer",
        "tutor",
        "prometheus",
    }
    eventually(lambda: set(scraped(system)) == watched, STEP_SECONDS)
    url = system.address("prometheus", 9090) + "/api/v1/"

    def rules_work() -> bool:
        groups = httpx2.get(url + "rules").json()["data"]["groups"]
        return {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}

    eventually(rules_work, STEP_SECONDS)
    (found,) = httpx2.get(url + "alertmanagers").json()["data"]["activeAlertmanagers"]
    assert found["url"].startswith("http://alertmanager:9093")


def test_the_web_ui_is_in_the_image(system: ComposeSystem) -> None:
    page = httpx2.get(system.address("orchestrator", 8000) + "/", follow_redirects=True)
    assert page.status_code == 200
    linked = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page.text)
    assert linked
    for path in linked:
        assert httpx2.get(system.address("orchestrator", 8000) + path).status_code == 200, path


def test_a_job_learns_through_restarts_and_a_shutdown(system: ComposeSystem, tmp_path: Path) -> None:
    with system.client() as client:
        job = client.submit(SPEC)
    system.up("--scale", "rollout-worker=2")
    eventually(lambda: scraped(system)["rollout-worker"] == 2, STEP_SECONDS)
    step = 1
    for service in RESTARTED:
        wait_for_step(system, job.id, step)
        system.restart(service)
        current = job_of(system, job.id)
        step = (current.progress.step if current else step) + 1
    wait_for_step(system, job.id, step)
    down_at = time.time()
    system.down()
    system.up()
    eventually(lambda: (found := job_of(system, job.id)) is not None and found.finished_at is not None, JOB_SECONDS)

    with system.client() as client:
        ended = client.get(job.id)
        assert ended.status == JobStatus.SUCCEEDED, ended.error
        assert [record.step for record in client.steps(job.id)] == list(range(1, STEPS + 1))
        before, after = client.evaluations(job.id)
    assert after.unassisted_accuracy > before.unassisted_accuracy + 0.15
    episodes = trained(system, job.id, tmp_path)
    assert len(episodes) == len(set(episodes)) == STEPS * 64 * 2
    assert scraped(system, at=down_at), "the series of before the shutdown are gone"
