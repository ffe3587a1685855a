"""The real trainer process lets a job go when it is paused, and takes it up again exactly there."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import redis
from contracts import keys
from contracts.episodes import Episode
from contracts.policies import checkpoint_directory, job_directory
from servicekit.checksums import sha256_of

from .makers import JOB, episodes_of_step, spec_of
from .rig import (
    append,
    events_of,
    job_field,
    policy_version,
    put_batches,
    put_job,
    put_manifest,
    settings_of,
    start,
    stop,
    unacknowledged,
    wait_until,
)
from .standin_engine import StandInEngine

STEPS = 5


def is_at(client: "redis.Redis", job: str) -> bool:
    """The trainer shows itself at the job."""
    beat = client.get(keys.heartbeat("trainer", "rank0"))
    return beat is not None and json.loads(beat)["job_id"] == job


def seat(client: "redis.Redis", job: str) -> None:
    """As the controller lets a queued job run."""
    client.set(keys.active_job(), job)
    client.hincrby(keys.job(job), "seat", 1)
    client.hset(keys.job(job), "status", "running")


def pause(client: "redis.Redis", job: str) -> None:
    """As the controller brings a job to rest; ends when the trainer has let it go."""
    client.hset(keys.job(job), "status", "pausing")
    wait_until(lambda: not is_at(client, job), "the trainer to let go")
    client.hset(keys.job(job), "status", "paused")
    client.delete(keys.active_job())


def served(client: "redis.Redis", job: str = JOB) -> bool:
    """The engine is proved to serve the job's policy in its present seat."""
    return job_field(client, "served_seat", job) == job_field(client, "seat", job)


def reached(client: "redis.Redis", version: int, job: str = JOB) -> bool:
    return policy_version(client, job) >= version


@contextmanager
def training(redis_url: str, engine: StandInEngine, data_root: Path, student: Path) -> Iterator[None]:
    """A trainer that ends with the block, also when the test has failed."""
    process = start(settings_of(redis_url, engine.url, data_root, student))
    try:
        yield
    finally:
        stop(process)


def weights_at(data_root: Path, step: int) -> str:
    return sha256_of(checkpoint_directory(data_root, JOB, step) / "model.safetensors")


def put(client: "redis.Redis", student: Path, steps: int = STEPS) -> list[list[Episode]]:
    """A job with every manifest; its episodes are the caller's to append."""
    put_job(client, spec_of(student.name, steps=steps, checkpoint_every=3, minibatches=2))
    batches = [episodes_of_step(step) for step in range(1, steps + 1)]
    for batch in batches:
        put_manifest(client, batch)
    return batches


def pause_in_every_step(
    client: "redis.Redis", engine: StandInEngine, student: Path, batches: list[list[Episode]]
) -> None:
    """After some of the step's episodes, with a job in between that takes the engine."""
    rng = random.Random(5)
    for step, batch in enumerate(batches, 1):
        append(client, batch[: rng.randint(0, len(batch))])
        time.sleep(rng.uniform(0, 0.1))
        pause(client, JOB)
        before, other = policy_version(client), f"other-{step}"
        append(client, batch)  # a slow worker still delivers
        put_job(client, spec_of(student.name, steps=1), other)
        seat(client, other)
        wait_until(partial(reached, client, 0, other), "the job in between")
        pause(client, other)
        assert policy_version(client) == before, "a paused job does not move"
        assert engine.version.startswith(other)
        seat(client, JOB)
        wait_until(partial(served, client), "the policy to be served again")
        assert engine.version.startswith(JOB)


def test_paused_at_random_with_other_jobs_between_the_weights_are_those_of_an_unpaused_run(
    redis_server: str, client: "redis.Redis", student: Path, tmp_path: Path
) -> None:
    ends = []
    for name in ("unpaused", "paused"):
        client.flushdb()
        engine, batches = StandInEngine(student), put(client, student)
        with training(redis_server, engine, tmp_path / name, student):
            seat(client, JOB)
            if name == "paused":
                pause_in_every_step(client, engine, student, batches)
            append(client, [item for batch in batches for item in batch])
            wait_until(partial(reached, client, STEPS), "the end")
        engine.stop()
        ends.append(weights_at(tmp_path / name, STEPS))
    assert ends[0] == ends[1]
    assert unacknowledged(client) == 0
    assert [event.record.step for event in events_of(client, "step.trained")] == list(range(1, STEPS + 1))


def test_a_frozen_trainer_notices_that_its_job_was_paused_and_resumed_meanwhile(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    """Seen from the trainer the status never changed, but the engine may have served another job in between."""
    put(client, student)
    with training(redis_url, engine, tmp_path, student):
        seat(client, JOB)
        wait_until(partial(served, client), "the base policy")
        resumed = len(events_of(client, "trainer.resumed"))
        seat(client, JOB)
        wait_until(partial(served, client), "the policy of the new seat")
        assert len(events_of(client, "trainer.resumed")) == resumed + 1


@contextmanager
def full_disk(directory: Path) -> Iterator[None]:
    """The kernel refuses to write the batch of step 1: its unfinished file is /dev/full."""
    blocked = directory / "batches" / ".unfinished-step-000001.msgpack"
    blocked.parent.mkdir(parents=True)
    blocked.symlink_to("/dev/full")
    yield
    blocked.unlink()


def test_a_full_disk_pauses_the_job_which_goes_on_when_there_is_space(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    put_job(client, spec_of(student.name, steps=1))
    with training(redis_url, engine, tmp_path, student):
        with full_disk(job_directory(tmp_path, JOB)):
            put_batches(client, [episodes_of_step(1)])
            seat(client, JOB)
            wait_until(lambda: job_field(client, "status") == "pausing", "the pause")
        assert job_field(client, "pause_reason") == "disk_full"
        assert "No space left" in job_field(client, "pause_detail")
        pause(client, JOB)
        seat(client, JOB)
        wait_until(partial(reached, client, 1), "the step")
