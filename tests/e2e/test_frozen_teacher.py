"""A whole job on real engines: a frozen student teaches and scores, and the student of the moment probes for leaks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml
from contracts.jobs import JobSpec
from contracts.statuses import JobStatus
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.plan import GATEWAY
from trainer.archive import read_batch

from ..stacks import REPOSITORY, materials_stack

# Loading torch and a model takes seconds; on a busy machine it has taken twenty.
START_SECONDS = 120.0
STOP_SECONDS = 30.0
STEPS = 2
LIFT = 0.5
BASE = REPOSITORY / "models/materials-base"
SPEC = JobSpec.model_validate(
    {
        "name": "frozen",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials", "options": {"train_questions": 40, "test_questions": 8}},
        "teacher": {
            "name": "frozen",
            "max_guidance_tokens": 64,
            "leak_probe": {"samples": 4, "lift": LIFT},
            "leak_guard": "redact",
        },
        "rollout": {"prompts_per_step": 4, "group_size": 2, "max_attempts": 2, "max_answer_tokens": 32},
        "training": {
            "steps": STEPS,
            "learning_rate": 1e-3,
            "warmup_steps": 1,
            "teacher_kl": {"teacher": {"name": "scorer"}, "engine": "sglang", "episodes": 4},
        },
        "evaluation": {"every": 100, "questions": 8},
    }
)


@contextmanager
def frozen_engine(log: Path) -> Iterator[str]:
    """A second CPU engine with the base weights, to which no trainer publishes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"PORT": str(port), "MODEL_PATH": str(BASE)}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment |= {f"STUDENT_INFERENCE_{name}": value for name, value in settings.items()}
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "student_inference"]
        process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        while not is_healthy(url):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()  # noqa: PT018
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def is_healthy(url: str) -> bool:
    try:
        return httpx2.get(url + "/health").status_code == 200
    except httpx2.TransportError:
        return False


def teachers_file(path: Path, engine: str) -> str:
    """`frozen` teaches with the base weights and refuses any other; `scorer` is the same engine as one that scores."""
    version = httpx2.get(engine + "/get_model_info").json()["weight_version"]
    frozen = {"kind": "student", "base_url": engine, "options": {"frozen_at": version}}
    scoring = {"kind": "openai_compatible", "base_url": engine + "/v1"}
    teachers = {
        "frozen": {"provider": "base", "model": "student"},
        "scorer": {"provider": "scoring", "model": "student"},
    }
    path.write_text(yaml.safe_dump({"providers": {"base": frozen, "scoring": scoring}, "teachers": teachers}))
    return str(path)


def test_a_frozen_student_teaches_scores_and_is_probed(tmp_path: Path) -> None:
    with frozen_engine(tmp_path / "engine.log") as engine:
        settings = {GATEWAY: {"TEACHER_GATEWAY_TEACHERS_FILE": teachers_file(tmp_path / "teachers.yaml", engine)}}
        request = materials_stack(tmp_path / "stack").model_copy(update={"settings": settings})
        with own_stack(request, dict(os.environ), lambda _: None) as stack, Client(stack.orchestrator_url) as client:
            job = client.submit(SPEC)
            for _ in client.stream(job.id):
                pass
            ended, steps = client.get(job.id), client.steps(job.id)
            assert ended.status == JobStatus.SUCCEEDED, ended.error
            gateway = next(item.url for item in stack.processes if item.name == GATEWAY)
            unprobed = httpx2.get(gateway + "/metrics").text
    episodes = [each for step in range(1, STEPS + 1) for each in read_batch(request.data_root, job.id, step)]
    assert {each.failure.detail for each in episodes if each.failure} == set()
    guidances = [guidance for episode in episodes for guidance in episode.guidances]
    assert {guidance.provider for guidance in guidances} == {"frozen"}
    # The student has moved on by two steps; what teaches has not.
    assert len({guidance.model for guidance in guidances}) == 1
    probed = [guidance for guidance in guidances if guidance.leak_lift is not None]
    assert probed
    assert "socratic_leak_probes_failed_total{" not in unprobed
    assert all(-1 <= (one.leak_lift or 0) <= 1 and one.leaked == ((one.leak_lift or 0) >= LIFT) for one in probed)
    # One model at the first step: only rounding tells its two engines apart. Then the student leaves it.
    kl = [step.teacher_kl for step in steps]
    assert kl[0] == pytest.approx(0.0, abs=1e-4)
    assert kl[1] is not None
    assert abs(kl[1]) > 1e-3
