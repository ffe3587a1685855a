"""A whole job with a paid teacher: it pauses at its cap, goes on when the cap is raised, and no file holds the key."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import yaml
from contracts.jobs import JobSpec
from contracts.statuses import JobStatus
from contracts.views import Job
from pytest_httpserver import HTTPServer
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.plan import GATEWAY
from socratic.stack.state import StackState
from werkzeug import Request, Response

from ..stacks import materials_stack

KEY = "sk-e2e-7f3a9c51d2b84e06"
# The whole job takes a minute on two idle cores.
PATIENCE_SECONDS = 240.0
CAP, RAISED = 12, 1000


@dataclass
class PaidTeacher:
    """An OpenAI-compatible server that quotes the key that it was sent, in a failure and in its guidance."""

    served: int = 0
    keys: set[str] = field(default_factory=set)

    def answer(self, request: Request) -> Response:
        self.served += 1
        self.keys.add(request.headers["Authorization"])
        quoted = f"For {request.headers['Authorization']}"
        if self.served == 2:
            return Response(json.dumps({"error": {"message": quoted}}), 500)
        message = {"role": "assistant", "content": f"{quoted}: compare the values again ."}
        body = {"choices": [{"message": message, "finish_reason": "stop"}], "model": "dear"}
        return Response(json.dumps({**body, "usage": {"prompt_tokens": 300, "completion_tokens": 9}}))


@dataclass(frozen=True)
class Run:
    """What the job went through."""

    paused: Job
    served_at_pause: int
    ended: Job
    budget: dict[str, object]
    teacher: PaidTeacher
    home: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home, teacher = tmp_path_factory.mktemp("paid"), PaidTeacher()
    with HTTPServer() as server:
        server.expect_request("/v1/chat/completions").respond_with_handler(teacher.answer)
        account = {"kind": "openai_compatible", "base_url": server.url_for("/v1"), "api_key_env": "E2E_TEACHER_KEY"}
        file = tmp_path_factory.mktemp("settings") / "teachers.yaml"
        named = {"frontier": {"provider": "account", "model": "dear"}}
        file.write_text(yaml.safe_dump({"providers": {"account": account}, "teachers": named}))
        settings = {GATEWAY: {"TEACHER_GATEWAY_TEACHERS_FILE": str(file)}}
        request = materials_stack(home).model_copy(update={"settings": settings})
        environment = {**os.environ, "E2E_TEACHER_KEY": KEY}
        with own_stack(request, environment, lambda state: None) as stack, Client(stack.orchestrator_url) as client:
            job = client.submit(spec())
            paused = until(client, job.id, JobStatus.PAUSED)
            at_pause = teacher.served
            gateway = gateway_url(stack)
            raised = httpx2.put(f"{gateway}/v1/budgets/{job.id}", json={"requests": RAISED})
            assert raised.status_code == 200, raised.text
            client.resume(job.id)
            ended = until(client, job.id, JobStatus.SUCCEEDED)
            budget = httpx2.get(f"{gateway}/v1/budgets/{job.id}").json()
        yield Run(paused, at_pause, ended, budget, teacher, home)


def spec() -> JobSpec:
    budget = {"requests": CAP, "when_exhausted": "pause"}
    return JobSpec.model_validate(
        {
            "name": "paid",
            "student": {"model": "models/materials-base"},
            "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
            "teacher": {"name": "frontier", "budget": budget, "cassette": {"mode": "replay_or_record", "name": "paid"}},
            "rollout": {"max_attempts": 2, "prompts_per_step": 8, "group_size": 2, "max_answer_tokens": 32},
            "training": {"steps": 2, "learning_rate": 4e-4, "warmup_steps": 1},
            "evaluation": {"every": 100, "questions": 4},
        }
    )


def until(client: Client, job_id: str, status: JobStatus) -> Job:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (job := client.get(job_id)).status != status:
        assert job.status != JobStatus.FAILED, job.error
        assert time.monotonic() < deadline, (job.status, job.wait_reason)
        time.sleep(0.2)
    return job


def gateway_url(stack: StackState) -> str:
    return next(item.url for item in stack.processes if item.name == GATEWAY)


def test_the_job_pauses_at_its_cap_and_not_a_call_beyond_it(run: Run) -> None:
    assert run.paused.pause_reason == "budget_exhausted"
    assert "requests cap" in (run.paused.wait_reason or "")
    assert run.served_at_pause == CAP


def test_what_was_open_is_made_after_the_cap_was_raised(run: Run) -> None:
    assert run.ended.progress.failed_episodes == 0
    assert run.ended.progress.step == 2
    assert run.budget["held"]["requests"] == run.teacher.served > CAP


def test_no_file_of_the_run_holds_the_key(run: Run) -> None:
    assert run.teacher.keys == {f"Bearer {KEY}"}
    written = [path for path in run.home.rglob("*") if path.is_file()]
    names = {path.parent.name for path in written} | {path.name for path in written}
    assert {"redis", "logs", "stack.json"} <= names
    assert any("cassettes" in path.parts for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
