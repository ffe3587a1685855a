"""A whole job over two replicas, one of which is killed again and again."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from contracts.events import PolicyPublished, PolicyRestored, ReplicaLeft
from contracts.jobs import JobSpec
from contracts.statuses import TERMINAL, JobStatus
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.state import read_state
from trainer.archive import read_batch

from ..stacks import materials_stack

STEPS = 6
KILLS = 2
# Nine tenths of it are waiting for a loaded machine.
JOB_SECONDS = 400
SPEC = JobSpec.model_validate(
    {
        "name": "replicas",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
        "teacher": {"provider": "tutor"},
        "rollout": {"max_attempts": 3, "prompts_per_step": 8, "group_size": 4, "max_answer_tokens": 32},
        "training": {"steps": STEPS, "learning_rate": 4e-4, "warmup_steps": 1},
        "evaluation": {"every": STEPS, "questions": 10},
    }
)


def kill_engine(home: Path) -> bool:
    """kill -9 to the second replica, if it runs just now."""
    state = read_state(home)
    process = next(item for item in state.processes if item.name == "student-inference-2") if state else None
    if process is None or not process.ready or not process.pid:
        return False
    os.kill(process.pid, signal.SIGKILL)
    return True


@pytest.mark.timeout(JOB_SECONDS)
def test_a_job_goes_on_while_a_replica_is_killed(tmp_path: Path) -> None:
    request = materials_stack(tmp_path).model_copy(update={"engines": 2})
    with own_stack(request, dict(os.environ), lambda _: None) as stack, Client(stack.orchestrator_url) as client:
        job, killed = client.submit(SPEC), 0
        while client.get(job.id).status not in TERMINAL:
            published = sum(isinstance(item.event, PolicyPublished) for item in client.events(job.id))
            if killed < KILLS and published > 2 * killed and kill_engine(tmp_path):
                killed += 1
            time.sleep(0.2)
        ended = client.get(job.id)
        assert ended.status == JobStatus.SUCCEEDED, ended.error
        events = [item.event for item in client.events(job.id)]
        records = client.steps(job.id)
    assert killed == KILLS
    assert [record.step for record in records] == list(range(1, STEPS + 1))
    assert [record.failed_episodes for record in records] == [0] * STEPS
    assert all(record.logprob_gap_max < 1e-4 for record in records)
    counted = Counter(type(event) for event in events)
    assert counted[ReplicaLeft] >= 1
    assert counted[ReplicaLeft] <= counted[PolicyRestored] + 1
    for step in range(1, STEPS + 1):
        episodes = read_batch(request.data_root, job.id, step)
        spans = [span for item in episodes for attempt in item.attempts for span in attempt.version_spans]
        assert {span.version for span in spans} == {step - 1}
