"""A complete training job whose rollouts this engine answers and whose weights it swaps at every step."""

import os
from pathlib import Path

import pytest
from contracts.jobs import JobSpec
from contracts.policies import engine_version
from contracts.statuses import JobStatus
from socratic.client import Client
from socratic.runs import own_stack
from trainer.archive import read_batch

from ..stacks import materials_stack
from .engines import Engine

STEPS = 3
# Nine tenths of it are waiting for a loaded machine.
JOB_SECONDS = 400
SPEC = JobSpec.model_validate(
    {
        "name": "contract",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
        "teacher": {"provider": "tutor"},
        "rollout": {"max_attempts": 3, "prompts_per_step": 4, "group_size": 4, "max_answer_tokens": 32},
        "training": {"steps": STEPS, "learning_rate": 4e-4, "warmup_steps": 1},
        "evaluation": {"every": STEPS, "questions": 10},
    }
)


@pytest.mark.timeout(JOB_SECONDS)
def test_a_job_runs_to_its_end_and_the_trainer_agrees_with_the_engine(engine: Engine, tmp_path: Path) -> None:
    rollouts = {"ORCHESTRATOR_STUDENT_URLS": f'["{engine.url}"]'}
    settings = {
        "orchestrator": rollouts,
        "rollout-worker-1": rollouts,
        "trainer": {"TRAINER_STUDENT_URLS": f'["{engine.url}"]'},
    }
    request = materials_stack(tmp_path / "home").model_copy(update={"settings": settings})
    with own_stack(request, dict(os.environ), lambda _: None) as stack, Client(stack.orchestrator_url) as client:
        job = client.submit(SPEC)
        for _ in client.stream(job.id):
            pass
        ended = client.get(job.id)
        assert ended.status == JobStatus.SUCCEEDED, ended.error
        records = client.steps(job.id)
    assert [record.step for record in records] == list(range(1, STEPS + 1))
    assert all(0 < record.logprob_gap_max < 1e-4 for record in records)
    assert engine.version == engine_version(job.id, STEPS)
    for step in range(1, STEPS + 1):
        episodes = read_batch(request.data_root, job.id, step)
        spans = [span for item in episodes for attempt in item.attempts for span in attempt.version_spans]
        assert {span.version for span in spans} == {step - 1}
