"""A job against an engine with both of SGLang's keys, taught by the student itself as the compose system has it."""

import os
from functools import partial
from pathlib import Path

from contracts.jobs import JobSpec
from contracts.policies import engine_version
from contracts.statuses import JobStatus
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.plan import GATEWAY, ORCHESTRATOR, STUDENT, TRAINER
from trainer.archive import read_batch

from ..stacks import REPOSITORY, materials_stack
from .recording import RecordingProxy, engine_url

NORMAL, ADMIN = "normal-key", "admin-key"
STEPS = 2
SPEC = JobSpec.model_validate(
    {
        "name": "two keys",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials", "options": {"train_questions": 40, "test_questions": 8}},
        "teacher": {"name": "self", "max_guidance_tokens": 64},
        "rollout": {"prompts_per_step": 8, "group_size": 2, "max_answer_tokens": 32},
        "training": {"steps": STEPS, "learning_rate": 4e-4},
        "evaluation": {"every": 100, "questions": 8},
    }
)
KEYS = {
    STUDENT: {"STUDENT_INFERENCE_API_KEY": NORMAL, "STUDENT_INFERENCE_ADMIN_API_KEY": ADMIN},
    TRAINER: {"TRAINER_STUDENT_API_KEY": NORMAL, "TRAINER_STUDENT_ADMIN_KEY": ADMIN},
    ORCHESTRATOR: {"ORCHESTRATOR_STUDENT_API_KEY": NORMAL},
    "rollout-worker-1": {"ORCHESTRATOR_STUDENT_API_KEY": NORMAL},
}


def test_a_job_with_both_keys_and_the_student_as_teacher(tmp_path: Path) -> None:
    with RecordingProxy(partial(engine_url, tmp_path / "stack")) as engine:
        teachers = tmp_path / "teachers.yaml"
        shipped = (REPOSITORY / "deploy/docker/teachers.yaml").read_text()
        teachers.write_text(shipped.replace("http://student-inference:30000", engine.url))
        gateway = {"TEACHER_GATEWAY_TEACHERS_FILE": str(teachers), "TEACHER_GATEWAY_STUDENT_API_KEY": NORMAL}
        request = materials_stack(tmp_path / "stack").model_copy(update={"settings": {**KEYS, GATEWAY: gateway}})
        with own_stack(request, dict(os.environ), lambda _: None) as stack, Client(stack.orchestrator_url) as client:
            job = client.submit(SPEC)
            for _ in client.stream(job.id):
                pass
            ended = client.get(job.id)
            assert ended.status == JobStatus.SUCCEEDED, ended.error
    episodes = [each for step in range(1, STEPS + 1) for each in read_batch(request.data_root, job.id, step)]
    assert {each.failure.detail for each in episodes if each.failure} == set()
    guidances = [guidance for episode in episodes for guidance in episode.guidances]
    assert guidances
    assert {guidance.provider for guidance in guidances} == {"self"}
    spoke = {guidance.model.split("@")[1] for guidance in guidances}
    assert spoke == {engine_version(job.id, version) for version in range(STEPS)}
