"""The real trainer keeps what the job's rules keep, and the policies of kept checkpoints."""

from functools import partial
from pathlib import Path

import redis
from contracts import keys
from contracts.policies import checkpoint_steps, job_directory
from contracts.records import EvaluationRecord

from .makers import JOB, episodes_of_step, spec_of
from .rig import put_batches, put_job, reached, training, wait_until
from .standin_engine import StandInEngine

STEPS = 7


def evaluated(client: "redis.Redis", version: int, accuracy: float) -> None:
    """As the controller records a finished evaluation."""
    record = EvaluationRecord(
        step=version,
        policy_version=version,
        questions=4,
        failed_episodes=0,
        unassisted_accuracy=accuracy,
        guided_accuracy=1.0,
        format_rate=1.0,
        domains={},
        seconds=1.0,
    )
    client.hset(keys.evaluations(JOB), str(version), record.model_dump_json())


def test_the_newest_the_best_and_every_fifth(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    put_job(client, spec_of(student.name, steps=STEPS, keep_last=1, keep_best=1, keep_every=5))
    for version, accuracy in ((1, 0.2), (2, 0.9), (3, 0.4), (STEPS, 0.5)):
        evaluated(client, version, accuracy)
    put_batches(client, [episodes_of_step(step) for step in range(1, STEPS + 1)])
    with training(redis_url, engine, tmp_path, student):
        wait_until(partial(reached, client, STEPS), "the end")
    assert checkpoint_steps(tmp_path, JOB) == [2, 5, 7]
    policies = sorted(path.name for path in (job_directory(tmp_path, JOB) / "policies").glob("v*"))
    assert policies == ["v000002", "v000005", "v000006", "v000007"]
