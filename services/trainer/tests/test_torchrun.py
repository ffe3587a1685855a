"""The trainer's own command under torchrun: it trains as one process does, and no process outlives another."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import redis
import torch
from contracts.jobs import JobSpec
from contracts.policies import checkpoint_directory
from safetensors.torch import load_file
from trainer.app import run
from trainer.launch import Launch
from trainer.settings import TrainerSettings

from .makers import JOB, answer, episodes_of_step, spec_of
from .rig import (
    WAIT_SECONDS,
    events_of,
    free_port,
    job_field,
    processes,
    put_batches,
    put_job,
    reached,
    settings_of,
    start,
    stop,
    unacknowledged,
    wait_until,
)
from .standin_engine import StandInEngine

STEPS = 4
RANK_WAIT_SECONDS = 10.0


@dataclass
class Launched:
    """torchrun and what its processes say."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def ended(self) -> int:
        return self.process.wait(WAIT_SECONDS)

    def pid_of(self, rank: int) -> int:
        """The process that torchrun gave this rank."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    environment = (entry / "environ").read_bytes().split(b"\0")
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
                if parent == self.process.pid and f"RANK={rank}".encode() in environment:
                    return int(entry.name)
        raise AssertionError(f"torchrun has no process of rank {rank}")

    def told(self, event: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def torchrun(redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path) -> Iterator[Launched]:
    """The command in two processes."""
    environment = {
        "TRAINER_PORT": "0",
        "TRAINER_REDIS_URL": redis_url,
        "TRAINER_STUDENT_URLS": json.dumps([engine.url]),
        "TRAINER_DATA_ROOT": str(tmp_path),
        "TRAINER_MODEL_ROOTS": json.dumps([str(student.parent)]),
        "OMP_NUM_THREADS": "1",
    }
    command = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--nproc-per-node", "2", "-m", "trainer"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | environment, stderr=log)
    yield Launched(process, tmp_path / "log")
    process.terminate()  # it ends its processes, and kills those that do not end
    process.wait(WAIT_SECONDS)


def weights(data_root: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint_directory(data_root, JOB, STEPS) / "model.safetensors")


def job(student: Path, **training: object) -> JobSpec:
    return spec_of(student.name, steps=STEPS, tokens_per_microbatch=64, **training)


def put(client: "redis.Redis", steps: range) -> None:
    put_batches(client, [episodes_of_step(step) for step in steps])


def test_two_processes_run_a_whole_job(
    torchrun: Launched, client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    """A job fails on both and they live on; the next is published, proved and the same as with one process."""
    put_job(client, spec_of("nowhere"), "missing")
    wait_until(lambda: job_field(client, "status", "missing") == "failed", "the failure")
    put_job(client, job(student))
    put(client, range(1, STEPS + 1))
    wait_until(partial(reached, client, STEPS), "the last step")
    torchrun.process.send_signal(signal.SIGTERM)
    torchrun.ended()
    assert [line["reason"] for line in torchrun.told("job_left")] == ["the trainer was asked to end"]
    assert not torchrun.told("rank_lost")
    assert [event.policy_version for event in events_of(client, "policy.published")] == list(range(STEPS + 1))
    assert unacknowledged(client) == 0

    client.flushdb()
    alone = tmp_path / "alone"
    put_job(client, job(student))
    put(client, range(1, STEPS + 1))
    process = start(settings_of(redis_url, engine.url, alone, student))
    wait_until(partial(reached, client, STEPS), "the same with one process")
    stop(process)
    for name, tensor in weights(alone).items():
        assert torch.allclose(weights(tmp_path)[name], tensor, atol=1e-5), name


def test_torchrun_ends_when_one_process_is_killed(torchrun: Launched, client: "redis.Redis", student: Path) -> None:
    put_job(client, job(student))
    put(client, range(1, 2))
    wait_until(partial(reached, client, 1), "the first step")
    os.kill(torchrun.pid_of(1), signal.SIGKILL)
    assert torchrun.ended() != 0
    assert [line["rank"] for line in torchrun.told("rank_lost")] == [0]
    assert job_field(client, "status") == "running"  # whoever starts torchrun again has it go on


def start_crew(settings: TrainerSettings) -> list[ForkServerProcess]:
    """Two processes without torchrun, which would end one when the other does."""
    port = free_port()
    launches = [Launch(rank=rank, world_size=2, master_addr="127.0.0.1", master_port=port) for rank in range(2)]
    crew = [processes.Process(target=run_to_exit, args=(settings, launch)) for launch in launches]
    for process in crew:
        process.start()
    return crew


def run_to_exit(settings: TrainerSettings, launch: Launch) -> None:
    raise SystemExit(run(settings, launch))


@pytest.mark.parametrize(("rank", "number"), [(0, signal.SIGKILL), (1, signal.SIGKILL), (1, signal.SIGSTOP)])
def test_nobody_waits_for_a_lost_process_and_a_restart_goes_on(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path, rank: int, number: int
) -> None:
    """Each process ends by itself: at once when another is killed, within rank_wait_seconds when it is stuck."""
    settings = settings_of(redis_url, engine.url, tmp_path, student)
    settings = settings.model_copy(update={"rank_wait_seconds": RANK_WAIT_SECONDS})
    crew = start_crew(settings)
    put_job(client, job(student))
    put(client, range(1, 2))
    wait_until(partial(reached, client, 1), "the first step")
    lost, other = crew[rank], crew[1 - rank]
    assert lost.pid is not None
    os.kill(lost.pid, number)
    put(client, range(2, STEPS + 1))
    other.join(WAIT_SECONDS)
    assert other.exitcode == 1
    assert job_field(client, "status") == "running"
    lost.kill()  # the stuck one
    lost.join(WAIT_SECONDS)

    again = start_crew(settings_of(redis_url, engine.url, tmp_path, student))
    wait_until(partial(reached, client, STEPS), "the rest, after a restart")
    again[0].terminate()
    for process in again:
        process.join(WAIT_SECONDS)
    assert [process.exitcode for process in again] == [0, 0]
    assert [event.record.step for event in events_of(client, "step.trained")] == list(range(1, STEPS + 1))
    assert unacknowledged(client) == 0


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_runs_out_of_memory_tells_the_job(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path, rank: int
) -> None:
    """The others cannot know; they end too."""
    crew = start_crew(settings_of(redis_url, engine.url, tmp_path, student))
    put_job(client, spec_of(student.name, steps=STEPS, tokens_per_microbatch=55000))
    put(client, range(1, 2))
    wait_until(partial(reached, client, 1), "the first step")
    pid = crew[rank].pid
    assert pid is not None
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    room = used + 48 * 2**20  # enough for the batch, not for a pass
    resource.prlimit(pid, resource.RLIMIT_AS, (room, room))
    rng = random.Random(0)
    put_batches(client, [[answer(rng, float(sample % 2), sample, 250, step=2) for sample in range(400)]])
    wait_until(lambda: job_field(client, "status") == "failed", "the failure")
    for process in crew:
        process.join(WAIT_SECONDS)
    assert [process.exitcode for process in crew] == [1, 1]
    problem = json.loads(job_field(client, "error"))
    assert problem["code"] == "update_failed"
    assert problem["detail"].startswith(f"process {rank}: step 2")


def test_a_bf16_policy_of_two_processes_is_proved(
    client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    crew = start_crew(settings_of(redis_url, engine.url, tmp_path, student))
    put_job(client, job(student, precision="bf16", lora={"rank": 2}, activation_checkpointing=True))
    put(client, range(1, STEPS + 1))
    wait_until(partial(reached, client, STEPS), "the last step")
    crew[0].terminate()
    for process in crew:
        process.join(WAIT_SECONDS)
    gaps = [event.canary_gap for event in events_of(client, "policy.published")]
    assert len(gaps) == STEPS + 1
    assert 1e-4 < max(gaps) < 0.25
