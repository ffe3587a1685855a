"""Bad days: a full disk, a directory that cannot be written, a corrupt episode, a loss that is no number."""

import json
import os
import random
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
import redis
from contracts import keys
from contracts.episodes import encode_episode
from contracts.policies import checkpoint_directory, checkpoint_steps
from trainer import checkpoint

from .makers import JOB, episode, episodes_of_step, spec_of
from .rig import (
    append,
    events_of,
    job_field,
    pause,
    policy_version,
    put_batches,
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
BATCHES = [episodes_of_step(step) for step in range(1, STEPS + 1)]
# Room for a few checkpoints of the tiny student, not for a whole job's files.
DISK_BYTES = 2 * 2**20


@pytest.fixture(scope="module")
def unbroken(redis_server: str, student: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the last weights of a run without a bad day."""
    data_root, engine = tmp_path_factory.mktemp("unbroken"), StandInEngine(student)
    with redis.Redis.from_url(redis_server) as client, training(redis_server, engine, data_root, student):
        client.flushdb()
        put_job(client, spec_of(student.name, steps=STEPS))
        put_batches(client, BATCHES)
        wait_until(partial(reached, client, STEPS), "the unbroken run")
    engine.stop()
    return weights_at(data_root, STEPS)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of a few megabytes."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root and the right to mount")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@contextmanager
def filled(data_root: Path, pid: int, room: int) -> Iterator[None]:
    """Only `room` bytes are left."""
    spare, ballast = data_root / "spare", data_root / "ballast"
    spare.write_bytes(b"x" * room)
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(b"x" * 2 * DISK_BYTES)
    spare.unlink()
    yield
    ballast.unlink()


@contextmanager
def limited(data_root: Path, pid: int) -> Iterator[None]:
    """No file of the trainer may grow beyond a size that its weights need, as under a quota."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (10_000, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def replaced_by_a_file(data_root: Path, pid: int) -> Iterator[None]:
    """Nobody can write below what is no directory, not even root."""
    directory = checkpoint_directory(data_root, JOB, 0).parent
    aside = directory.rename(directory.with_name("aside"))
    directory.write_text("")
    yield
    directory.unlink()
    aside.rename(directory)


@contextmanager
def read_only(data_root: Path, pid: int) -> Iterator[None]:
    """The directory of the checkpoints as a read-only mount."""
    directory = str(checkpoint_directory(data_root, JOB, 0).parent)
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
    yield
    subprocess.run(["umount", directory], check=True)


Trouble = Callable[[Path, int], AbstractContextManager[None]]


def survive(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, data_root: Path, trouble: Trouble
) -> str:
    """A job that meets the trouble after its second step and goes on when it is over. Returns why it was paused."""
    put_job(client, spec_of(student.name, steps=STEPS, keep_last=1))
    put_batches(client, BATCHES[:2])
    with training(redis_url, engine, data_root, student) as process:
        wait_until(partial(reached, client, 2), "two steps")
        assert process.pid is not None
        with trouble(data_root, process.pid):
            put_batches(client, BATCHES[2:])
            wait_until(lambda: job_field(client, "status") == "pausing", "the pause")
            pause(client)
            assert policy_version(client) == 2
            if trouble is not replaced_by_a_file:
                assert whole_steps(data_root) == [2]
        reason = job_field(client, "pause_reason")
        assert job_field(client, "pause_detail").endswith("then resume the job")
        seat(client)
        wait_until(partial(reached, client, STEPS), "the end")
    assert unacknowledged(client) == 0
    return reason


def whole_steps(data_root: Path) -> list[int]:
    """Every checkpoint that is there is whole."""
    steps = checkpoint_steps(data_root, JOB)
    return [checkpoint.load(checkpoint_directory(data_root, JOB, step)).state.step for step in steps]


@pytest.mark.parametrize("room", [0, 56 * 1024], ids=["the batch does not fit", "the checkpoint does not fit"])
def test_a_full_disk(
    unbroken: str,
    client: "redis.Redis",
    redis_url: str,
    engine: StandInEngine,
    student: Path,
    small_disk: Path,
    room: int,
) -> None:
    assert survive(client, redis_url, engine, student, small_disk, partial(filled, room=room)) == "disk_full"
    assert ("checkpoint" if room else "batches") in job_field(client, "pause_detail")
    assert weights_at(small_disk, STEPS) == unbroken


def test_a_quota(
    unbroken: str, client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    assert survive(client, redis_url, engine, student, tmp_path, limited) == "disk_full"
    assert weights_at(tmp_path, STEPS) == unbroken


def test_a_directory_that_is_none(
    unbroken: str, client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    assert survive(client, redis_url, engine, student, tmp_path, replaced_by_a_file) == "storage_failed"
    assert weights_at(tmp_path, STEPS) == unbroken


def test_a_read_only_directory(
    unbroken: str, client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, small_disk: Path
) -> None:
    assert survive(client, redis_url, engine, student, small_disk, read_only) == "storage_failed"
    assert weights_at(small_disk, STEPS) == unbroken


def test_a_corrupt_episode_is_a_dead_letter_and_training_goes_on_with_the_one_made_again(
    unbroken: str, client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    put_job(client, spec_of(student.name, steps=STEPS))
    for batch in BATCHES:
        put_manifest(client, batch)
    spoilt, *sound = [item for batch in BATCHES for item in batch]
    index, damaged = keys.index(JOB, "train", 1), encode_episode(spoilt)[:-7]
    entry = client.xadd(keys.stream(JOB, "train"), {keys.EPISODE_FIELD: damaged})
    client.hset(index, spoilt.episode_id, entry)
    append(client, sound)
    with training(redis_url, engine, tmp_path, student):
        wait_until(lambda: not client.hexists(index, spoilt.episode_id), "the controller to be asked for it again")
        append(client, [spoilt])
        wait_until(partial(reached, client, STEPS), "the end")
    assert weights_at(tmp_path, STEPS) == unbroken
    [(_, letter)] = client.xrange(keys.dead_letters(JOB))
    assert (letter[b"entry"], letter[b"episode"]) == (entry, damaged)
    assert b"truncated" in letter[b"detail"]
    [told] = events_of(client, "episode.rejected")
    assert (told.entry_id, told.detail) == (entry.decode(), letter[b"detail"].decode())


def test_a_loss_that_is_no_number_fails_by_name_and_the_last_good_checkpoint_stays(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    rng = random.Random(0)
    explosive = [episode(rng, [reward], step=3, sample=int(reward)) for reward in (0.0, 1.0)]
    for item in explosive:
        item.attempts[0].logprobs[:] = [-1e4] * len(item.attempts[0].logprobs)
    put_job(client, spec_of(student.name, steps=STEPS))
    put_batches(client, [*BATCHES[:2], explosive])
    with training(redis_url, engine, tmp_path, student):
        wait_until(lambda: job_field(client, "status") == "failed", "the failure")
    error = json.loads(job_field(client, "error"))
    assert error["code"] == "non_finite_gradient"
    assert "learning_rate" in error["detail"]
    assert whole_steps(tmp_path) == [1, 2]
    assert policy_version(client) == 2


def test_a_job_whose_only_checkpoint_is_damaged_fails_by_name(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    put_job(client, spec_of(student.name, steps=STEPS, keep_last=1))
    put_batches(client, BATCHES[:2])
    with training(redis_url, engine, tmp_path, student):
        wait_until(partial(reached, client, 2), "two steps")
    (checkpoint_directory(tmp_path, JOB, 2) / "optimizer.safetensors").write_bytes(b"")
    with training(redis_url, engine, tmp_path, student):
        wait_until(lambda: job_field(client, "status") == "failed", "the failure")
    error = json.loads(job_field(client, "error"))
    assert error["code"] == "checkpoint_damaged"
    assert "optimizer.safetensors differs from its checksum" in error["detail"]
    assert policy_version(client) == 2


def test_an_older_whole_checkpoint_is_used_and_told(
    unbroken: str, client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    put_job(client, spec_of(student.name, steps=STEPS))
    put_batches(client, BATCHES[:3])
    with training(redis_url, engine, tmp_path, student):
        wait_until(partial(reached, client, 3), "three steps")
    (checkpoint_directory(tmp_path, JOB, 3) / "model.safetensors").unlink()
    put_batches(client, BATCHES[3:])
    with training(redis_url, engine, tmp_path, student):
        wait_until(partial(reached, client, STEPS), "the end")
    [told] = events_of(client, "checkpoint.damaged")
    assert (told.step, told.used) == (3, 2)
    assert "model.safetensors" in told.detail
    assert weights_at(tmp_path, STEPS) == unbroken
