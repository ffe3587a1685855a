"""Kill -9 at random: the job ends, and every episode of every manifest is trained exactly once."""

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import redis
from contracts import keys
from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.manifests import decode_manifest
from contracts.policies import checkpoint_directory
from contracts.statuses import TERMINAL, JobStatus
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.plan import ORCHESTRATOR, REDIS, TRAINER
from socratic.stack.process import start_ticks
from socratic.stack.state import StackState, read_state
from trainer.archive import read_batch

from ..stacks import materials_stack

STEPS = 12
VICTIMS = (TRAINER, ORCHESTRATOR, "rollout-worker-1")
KILLS = 9
# A killed trainer is back in about five seconds; on a busy machine a step may take as long.
JOB_SECONDS = 300
SPEC = JobSpec.model_validate(
    {
        "name": "killed",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
        "teacher": {"provider": "tutor"},
        "rollout": {"prompts_per_step": 12, "group_size": 8, "max_answer_tokens": 32},
        "training": {"steps": STEPS, "learning_rate": 4e-4, "checkpoint_every": 2, "keep_last": STEPS},
        "evaluation": {"every": 4, "questions": 40},
    }
)


def kill(home: Path, name: str) -> bool:
    """SIGKILL to the process of this name, if it runs just now."""
    state = read_state(home)
    process = next(item for item in state.processes if item.name == name) if state else None
    if process is None or process.pid == 0 or start_ticks(process.pid) != process.started:
        return False
    os.kill(process.pid, signal.SIGKILL)
    return True


def kill_at_random(home: Path, client: Client, job_id: str) -> Counter[str]:
    """Until the job has ended: wait a random while, then kill one of the victims. Counts the kills of each."""
    rng, killed = random.Random(0), Counter[str]()
    pending = [victim for victim in VICTIMS for _ in range(KILLS // len(VICTIMS))]
    rng.shuffle(pending)
    deadline = time.monotonic() + JOB_SECONDS
    while client_status(client, job_id) not in TERMINAL:
        assert time.monotonic() < deadline, client.get(job_id)
        time.sleep(rng.uniform(0.5, 3.0))
        if pending and kill(home, pending[-1]):
            killed[pending.pop()] += 1
    return killed


def client_status(client: Client, job_id: str) -> JobStatus | None:
    """None while the orchestrator is dead."""
    try:
        return client.get(job_id).status
    except Problem:
        return None


def consumed(data_root: Path, job_id: str) -> list[str]:
    """Episode ids in order of consumption, as the kept checkpoints name them."""
    directories = sorted(checkpoint_directory(data_root, job_id, 0).parent.glob("step-*"))
    states = [json.loads((directory / "state.json").read_text()) for directory in directories]
    return [item for state in states for ids in state["consumed"].values() for item in ids]


def redis_of(state: StackState) -> "redis.Redis":
    return redis.Redis.from_url(next(item.url for item in state.processes if item.name == REDIS))


@pytest.mark.timeout(JOB_SECONDS + 120)
def test_killed_at_random_nothing_is_lost_or_trained_twice(tmp_path: Path) -> None:
    request = materials_stack(tmp_path)
    with own_stack(request, dict(os.environ), lambda state: None) as stack, Client(stack.orchestrator_url) as client:
        job = client.submit(SPEC)
        killed = kill_at_random(tmp_path, client, job.id)
        ended = client.get(job.id)
        assert ended.status == JobStatus.SUCCEEDED, ended.error
        assert sum(killed.values()) == KILLS
        assert [record.step for record in client.steps(job.id)] == list(range(1, STEPS + 1))
        assert [record.step for record in client.evaluations(job.id)] == [0, 4, 8, 12]

        with redis_of(stack) as store:
            manifests = [decode_manifest(store.get(keys.manifest(job.id, "train", step + 1))) for step in range(STEPS)]
            pending = store.xpending(keys.stream(job.id, "train"), keys.TRAINER_GROUP)["pending"]
            appended = store.xlen(keys.stream(job.id, "train"))
        wanted = [entry.episode_id for manifest in manifests for entry in manifest.entries]
        trained = [item.episode_id for step in range(STEPS) for item in read_batch(request.data_root, job.id, step + 1)]
        assert trained == wanted
        assert consumed(request.data_root, job.id) == wanted
        assert len(set(wanted)) == len(wanted) == appended
        assert pending == 0
