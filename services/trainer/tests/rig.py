"""Puts a job with its manifests and episodes into Redis, and runs the real trainer process on it."""

import json
import multiprocessing
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import redis
from contracts import keys, scripts
from contracts.episodes import Episode, encode_episode
from contracts.events import EVENT_FIELD, decode_event
from contracts.jobs import JobSpec
from contracts.manifests import encode_manifest
from contracts.policies import checkpoint_directory, checkpoint_steps
from servicekit.checksums import SHA256
from trainer.app import run
from trainer.settings import TrainerSettings

from .makers import JOB, manifest_of
from .standin_engine import StandInEngine

# A loaded machine may need seconds for what takes milliseconds on a quiet one.
WAIT_SECONDS = 60.0

# Forked from a server that has imported torch already: a start takes a tenth of a second, so a test can afford many.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["trainer.app", "transformers.models.qwen3.modeling_qwen3"])


def put_job(client: "redis.Redis", spec: JobSpec, job: str = JOB) -> None:
    client.hset(keys.job(job), mapping={"spec": spec.model_dump_json(), "status": "running"})
    client.set(keys.active_job(), job)


def put_manifest(client: "redis.Redis", episodes: list[Episode]) -> None:
    manifest = manifest_of(episodes)
    client.set(keys.manifest(manifest.job_id, "train", manifest.step), encode_manifest(manifest))


def put_batches(client: "redis.Redis", batches: list[list[Episode]], shuffle_seed: int | None = None) -> None:
    """Every manifest, and every episode of all of them in any order."""
    for batch in batches:
        put_manifest(client, batch)
    append(client, [item for batch in batches for item in batch], shuffle_seed)


def append(client: "redis.Redis", episodes: Iterable[Episode], shuffle_seed: int | None = None) -> None:
    """As a rollout worker does it."""
    items = list(episodes)
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(items)
    script = client.register_script(scripts.APPEND_EPISODES)
    for item in items:
        places = [keys.index(item.job_id, "train", item.step), keys.stream(item.job_id, "train")]
        script(places, [item.episode_id, keys.EPISODE_FIELD, encode_episode(item)])


def settings_of(redis_url: str, engine_url: str, data_root: Path, student: Path) -> TrainerSettings:
    return TrainerSettings(
        port=0,
        redis_url=redis_url,
        student_urls=[engine_url],
        data_root=data_root,
        model_roots=[student.parent],
        log_level="error",
    )


def start(settings: TrainerSettings) -> ForkServerProcess:
    process = processes.Process(target=run, args=(settings,))
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(WAIT_SECONDS)


def stop(process: ForkServerProcess) -> None:
    """Ask it to end; a test in which it does not has failed."""
    process.terminate()
    process.join(WAIT_SECONDS)
    if process.exitcode is None:
        kill(process)
        pytest.fail(f"the trainer did not end within {WAIT_SECONDS:.0f} s of SIGTERM")


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def job_field(client: "redis.Redis", field: str, job: str = JOB) -> str:
    value = client.hget(keys.job(job), field)
    return "" if value is None else value.decode()


def events_of(client: "redis.Redis", kind: str, job: str = JOB) -> list[Any]:
    """The job's events of one type, in order."""
    entries = client.xrange(keys.events(job))
    told = [decode_event(fields[EVENT_FIELD.encode()]) for _, fields in entries]
    return [event for event in told if getattr(event, "type", "") == kind]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def policy_version(client: "redis.Redis", job: str = JOB) -> int:
    value = client.hget(keys.job(job), "policy_version")
    return -1 if value is None else int(value)


def unacknowledged(client: "redis.Redis", job: str = JOB) -> int:
    return int(client.xpending(keys.stream(job, "train"), keys.TRAINER_GROUP)["pending"])


def reached(client: "redis.Redis", version: int, job: str = JOB) -> bool:
    return policy_version(client, job) >= version


def weights_at(data_root: Path, step: int) -> str:
    """SHA-256 of the weights in a step's checkpoint."""
    return SHA256.of(checkpoint_directory(data_root, JOB, step) / "model.safetensors")


def consumed_ids(data_root: Path) -> list[str]:
    """Episode ids in order of consumption, as the checkpoints name them."""
    directories = [checkpoint_directory(data_root, JOB, step) for step in checkpoint_steps(data_root, JOB)]
    states = [json.loads((directory / "state.json").read_text()) for directory in directories]
    return [item for state in states for ids in state["consumed"].values() for item in ids]


def is_at(client: "redis.Redis", job: str) -> bool:
    """The trainer shows itself at the job."""
    beat = client.get(keys.heartbeat("trainer", "rank0"))
    return beat is not None and json.loads(beat)["job_id"] == job


def seat(client: "redis.Redis", job: str = JOB) -> None:
    """As the controller lets a queued job run."""
    client.set(keys.active_job(), job)
    client.hincrby(keys.job(job), "seat", 1)
    client.hset(keys.job(job), "status", "running")


def pause(client: "redis.Redis", job: str = JOB) -> None:
    """As the controller brings a job to rest; ends when the trainer has let it go."""
    client.hset(keys.job(job), "status", "pausing")
    wait_until(lambda: not is_at(client, job), "the trainer to let go")
    client.hset(keys.job(job), "status", "paused")
    client.delete(keys.active_job())


@contextmanager
def training(redis_url: str, engine: StandInEngine, data_root: Path, student: Path) -> Iterator[ForkServerProcess]:
    """A trainer that ends with the block, also when the test has failed."""
    process = start(settings_of(redis_url, engine.url, data_root, student))
    try:
        yield process
    finally:
        stop(process)
