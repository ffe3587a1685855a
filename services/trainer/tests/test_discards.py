"""Checkpoints that users want deleted: gone whole, with their policies, told once, whatever the trainer is at."""

from functools import partial
from pathlib import Path

import pytest
import redis
from contracts import keys
from contracts.policies import checkpoint_directory, checkpoint_steps, job_directory, policy_directory
from trainer import durable
from trainer.discards import Discards
from trainer.locks import sole_trainer
from trainer.store import Store

from .makers import JOB, episodes_of_step, spec_of
from .rig import events_of, put_batches, put_job, reached, training, wait_until
from .standin_engine import StandInEngine


def ask(client: "redis.Redis", step: int) -> None:
    """As the API does."""
    client.sadd(keys.discards(), f"{JOB}/{step}")


def make(data_root: Path, *steps: int) -> None:
    for step in steps:
        for directory in (checkpoint_directory, policy_directory):
            directory(data_root, JOB, step).mkdir(parents=True)
            (directory(data_root, JOB, step) / "model.safetensors").write_bytes(b"weights")


def on_disk(data_root: Path) -> list[str]:
    """Everything below the job but the lock, hidden leftovers too."""
    found = job_directory(data_root, JOB).rglob("*")
    return sorted(path.name for path in found if path.is_dir() and path.parent.parent.name == JOB)


def deleted(client: "redis.Redis") -> list[int]:
    return [event.step for event in events_of(client, "checkpoint.deleted")]


def test_by_a_trainer_in_the_middle_of_the_job_and_by_an_idle_one(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    put_job(client, spec_of(student.name, steps=4))
    put_batches(client, [episodes_of_step(step) for step in range(1, 4)])
    with training(redis_url, engine, tmp_path, student):
        wait_until(partial(reached, client, 3), "three steps")
        ask(client, 1)
        wait_until(lambda: deleted(client) == [1], "the first deletion")
        assert checkpoint_steps(tmp_path, JOB) == [2, 3]
        client.hset(keys.job(JOB), "status", "cancelled")
        ask(client, 3)
        wait_until(lambda: deleted(client) == [1, 3], "the second deletion")
    assert on_disk(tmp_path) == ["step-000002", "v000002", "v000003"]
    assert not client.exists(keys.discards())


def test_a_crash_leaves_all_or_none_and_the_next_trainer_ends_it(
    client: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(path: Path, **_: object) -> None:
        for file in path.glob("*"):
            file.unlink()
            raise Killed

    make(tmp_path, 1, 2)
    ask(client, 1)
    with monkeypatch.context() as patch:
        patch.setattr(durable.shutil, "rmtree", die)
        with pytest.raises(Killed):
            Discards(Store(client), tmp_path).look()
    assert checkpoint_steps(tmp_path, JOB) == [2]
    assert deleted(client) == []
    Discards(Store(client), tmp_path).look()
    assert on_disk(tmp_path) == ["step-000002", "v000002"]
    assert deleted(client) == [1]


def test_nothing_is_touched_where_another_trainer_works(client: "redis.Redis", tmp_path: Path) -> None:
    make(tmp_path, 1)
    ask(client, 1)
    discards = Discards(Store(client), tmp_path)
    with sole_trainer(job_directory(tmp_path, JOB)):
        discards.look()
        assert checkpoint_steps(tmp_path, JOB) == [1]
        discards.look(held=JOB)
    assert (checkpoint_steps(tmp_path, JOB), deleted(client)) == ([], [1])


def test_a_disk_that_refuses_is_told_and_not_asked_for_ever(
    client: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    make(tmp_path, 1)
    ask(client, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        Discards(Store(client), tmp_path).look()
    [told] = events_of(client, "checkpoint.delete_failed")
    assert (told.step, "step-000001" in told.detail) == (1, True)
    assert on_disk(tmp_path) == ["step-000001", "v000001"]
    assert not client.exists(keys.discards())
