"""The real trainer process: what a step depends on survives; bad jobs end by name; health and signals."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import httpx2
import pytest
import redis
from contracts import keys
from contracts.methods import SocraticPO
from contracts.policies import checkpoint_directory, checkpoint_steps

from .makers import JOB, episode, episodes_of_step, spec_of
from .rig import (
    WAIT_SECONDS,
    events_of,
    free_port,
    job_field,
    kill,
    policy_version,
    put_batches,
    put_job,
    reached,
    settings_of,
    start,
    stop,
    training,
    wait_until,
    weights_at,
)
from .standin_engine import StandInEngine

STEPS = 18


def put_long_job(client: "redis.Redis", student: Path, shuffle_seed: int) -> None:
    put_job(client, spec_of(student.name, steps=STEPS, checkpoint_every=3, minibatches=2))
    put_batches(client, [episodes_of_step(step) for step in range(1, STEPS + 1)], shuffle_seed)


@pytest.fixture(scope="module")
def unbroken(redis_server: str, student: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the last weights of a run that nobody disturbed."""
    data_root, engine = tmp_path_factory.mktemp("unbroken"), StandInEngine(student)
    with redis.Redis.from_url(redis_server) as client:
        client.flushdb()
        put_long_job(client, student, shuffle_seed=1)
        process = start(settings_of(redis_server, engine.url, data_root, student))
        wait_until(partial(reached, client, STEPS), "the unbroken run")
        stop(process)
        client.flushdb()
    engine.stop()
    assert process.exitcode == 0
    return weights_at(data_root, STEPS)


def test_everything_that_a_step_depends_on_survives_a_kill(
    redis_server: str, client: "redis.Redis", student: Path, tmp_path: Path
) -> None:
    """The method's memory, the frozen base and the old policy: killed before and after a checkpoint, or not at all."""
    ends = []
    for name, kills in (("unbroken", ()), ("broken", (1, 3))):
        client.flushdb()
        engine, data_root = StandInEngine(student), tmp_path / name
        spec = spec_of(student.name, epochs=2, importance="truncated", kl_coefficient=0.1, checkpoint_every=2)
        put_job(client, spec.model_copy(update={"method": SocraticPO(decay="ema", ema_rate=0.3)}))
        put_batches(client, [episodes_of_step(step) for step in range(1, 5)])
        settings = settings_of(redis_server, engine.url, data_root, student)
        for target in kills:
            process = start(settings)
            wait_until(partial(reached, client, target), "progress")
            kill(process)
        process = start(settings)
        wait_until(partial(reached, client, 4), "the end")
        stop(process)
        engine.stop()
        ends.append(weights_at(data_root, 4))
    assert ends[0] == ends[1]
    record = json.loads(client.hget(keys.steps(JOB), "4"))
    assert record["reference_kl"] > 0
    assert record["importance_weight"] != 1.0


def test_lost_connections_and_a_damaged_checkpoint(
    unbroken: str, client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    """The episodes of the damaged checkpoint were acknowledged; they are found again all the same."""
    put_long_job(client, student, shuffle_seed=3)
    settings = settings_of(redis_url, engine.url, tmp_path, student)
    process = start(settings)
    while policy_version(client) < 11:
        client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(0.02)
    kill(process)
    newest = max(checkpoint_steps(tmp_path, JOB))
    path = checkpoint_directory(tmp_path, JOB, newest) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    process = start(settings)
    wait_until(partial(reached, client, STEPS), "the run on the older checkpoint")
    stop(process)
    assert weights_at(tmp_path, STEPS) == unbroken
    assert events_of(client, "trainer.resumed")[-1].step == newest - 3


def test_bad_jobs_fail_by_name_and_the_trainer_lives_on(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    process = start(settings_of(redis_url, engine.url, tmp_path, student))

    def failure_of(job: str) -> str:
        wait_until(lambda: job_field(client, "status", job) == "failed", f"{job} to fail")
        return str(json.loads(job_field(client, "error", job))["code"])

    put_job(client, spec_of("nowhere"), "missing")
    assert failure_of("missing") == "student_missing"
    (tmp_path / "outside").mkdir()
    put_job(client, spec_of(tmp_path / "outside"), "outside")
    assert failure_of("outside") == "student_missing"

    accepted = spec_of(student.name).model_dump(mode="json")
    accepted["training"]["warmth"] = 1  # by another version
    client.hset(keys.job("older"), mapping={"spec": json.dumps(accepted), "status": "running"})
    client.set(keys.active_job(), "older")
    assert failure_of("older") == "spec_unreadable"
    assert "training.warmth" in job_field(client, "error", "older")

    client.set(keys.manifest("newer", "train", 1), b"another version")
    put_job(client, spec_of(student.name), "newer")
    assert failure_of("newer") == "contract_mismatch"

    rng = random.Random(0)
    explosive = [episode(rng, [reward], sample=int(reward), job="explosive") for reward in (0.0, 1.0)]
    for item in explosive:
        item.attempts[0].logprobs[:] = [-1e4] * len(item.attempts[0].logprobs)
    put_batches(client, [explosive])
    put_job(client, spec_of(student.name), "explosive")
    assert failure_of("explosive") == "non_finite_gradient"
    assert policy_version(client, "explosive") == 0

    put_batches(client, [episodes_of_step(1)])
    put_job(client, spec_of(student.name, steps=1))
    wait_until(partial(reached, client, 1), "a good job")
    stop(process)
    assert process.exitcode == 0


def test_a_cold_batch_is_counted_and_changes_nothing(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    rng = random.Random(0)
    put_job(client, spec_of(student.name, steps=2))
    put_batches(client, [[episode(rng, [0.0, 1.0], step=step, sample=n) for n in range(3)] for step in (1, 2)])
    process = start(settings_of(redis_url, engine.url, tmp_path, student))
    wait_until(partial(reached, client, 2), "both steps")
    stop(process)
    assert [event.cold_batches for event in events_of(client, "batch.cold")] == [1, 2]
    assert [event.step for event in events_of(client, "batch.zero_gradient")] == [1, 2]
    assert job_field(client, "cold_batches") == "2"
    assert weights_at(tmp_path, 1) == weights_at(tmp_path, 2)
    record = json.loads(client.hget(keys.steps(JOB), "2"))
    assert (record["cold"], record["zero_gradient"], record["gradient_norm"]) == (True, True, 0.0)


def test_the_command_serves_health_and_ends_on_sigterm(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    """`python -m trainer` itself, waiting in the middle of a job."""
    port = free_port()
    settings = settings_of(redis_url, engine.url, tmp_path, student)
    environment = {
        "TRAINER_PORT": str(port),
        "TRAINER_REDIS_URL": redis_url,
        "TRAINER_STUDENT_URLS": json.dumps(settings.student_urls),
        "TRAINER_DATA_ROOT": str(tmp_path),
        "TRAINER_MODEL_ROOTS": json.dumps([str(student.parent)]),
    }
    put_job(client, spec_of(student.name))
    put_batches(client, [episodes_of_step(1)])
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer"], env=os.environ | environment, stderr=subprocess.PIPE, text=True
    )
    wait_until(partial(reached, client, 1), "the first step")
    assert client.exists(keys.heartbeat("trainer", "rank0"))
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        assert "socratic_training_steps_total 1.0" in http.get("/metrics").text
    process.send_signal(signal.SIGTERM)
    _, logs = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    lines = [json.loads(line) for line in logs.splitlines()]
    assert any(line["event"] == "step.trained" and line["job_id"] == JOB for line in lines)


def test_an_engine_that_a_killed_trainer_left_paused_goes_on_before_anything_is_published(
    client: "redis.Redis", redis_url: str, student: Path, engine: StandInEngine, tmp_path: Path
) -> None:
    """The version that was being published is some steps after the last checkpoint: they are trained again first."""
    put_job(client, spec_of(student.name, steps=4, checkpoint_every=4))
    client.hset(keys.job(JOB), "policy_version", 2)
    engine.paused = True
    with training(redis_url, engine, tmp_path, student):
        wait_until(lambda: not engine.paused, "generation")
    assert engine.swaps == []
