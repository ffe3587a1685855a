"""The real trainer process lets a job go when it is paused, and takes it up again exactly there."""

import random
import time
from functools import partial
from pathlib import Path

import redis
from contracts.episodes import Episode

from .makers import JOB, episodes_of_step, spec_of
from .rig import (
    append,
    events_of,
    job_field,
    pause,
    policy_version,
    put_job,
    put_manifest,
    reached,
    seat,
    training,
    unacknowledged,
    wait_until,
    weights_at,
)
from .standin_engine import StandInEngine

STEPS = 5


def served(client: "redis.Redis", job: str = JOB) -> bool:
    """The engine is proved to serve the job's policy in its present seat."""
    return job_field(client, "served_seat", job) == job_field(client, "seat", job)


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
