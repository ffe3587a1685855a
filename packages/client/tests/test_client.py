"""The client against a scripted orchestrator over real HTTP."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from contracts.errors import Problem
from contracts.events import JobCreated, StatusChanged
from contracts.statuses import JobStatus
from socratic import client as client_module
from socratic.client import Client
from socratic.stack.ports import draw_ports


def server_event(event_id: str, **members: Any) -> bytes:
    body = {"id": event_id, "at": 1.0, **members}
    return f"id: {event_id}\nevent: {members['type']}\ndata: {json.dumps(body)}\n\n".encode()


CREATED = server_event("1-0", type="job.created", name="small")
RUNNING = server_event("2-0", type="job.status", status="running", reason="")
ENDED = server_event("3-0", type="job.status", status="succeeded", reason="")
STREAM = "/v1/jobs/job-1/events/stream"


@pytest.fixture
def client(orchestrator, monkeypatch):
    monkeypatch.setattr(client_module, "RECONNECT_PAUSE_SECONDS", 0.01)
    with Client(orchestrator.url) as client:
        yield client


@pytest.fixture
def job_running(orchestrator, answer, make_job):
    orchestrator.on("/v1/jobs/job-1", answer(make_job().model_dump(mode="json")))


def test_submit_sends_the_whole_spec_and_the_key(client, orchestrator, answer, make_job, spec) -> None:
    orchestrator.on("/v1/jobs", answer(make_job(status="queued").model_dump(mode="json"), 201))
    assert client.submit(spec, "key-1").status == JobStatus.QUEUED
    command, path, headers, body = orchestrator.asked[0]
    assert (command, path, headers["idempotency-key"]) == ("POST", "/v1/jobs", "key-1")
    assert type(spec).model_validate_json(body) == spec


def test_check_is_a_dry_run(client, orchestrator, answer, spec) -> None:
    orchestrator.on("/v1/jobs", answer({"valid": True}))
    assert client.check(spec) == {"valid": True}
    assert orchestrator.asked[0][1] == "/v1/jobs?dry_run=true"


def test_a_problem_keeps_the_servers_code_field_and_fix(client, orchestrator, answer, spec) -> None:
    body = Problem(422, "invalid_request", "task.name: unknown; take materials", field="task.name").as_dict()
    orchestrator.on("/v1/jobs", answer(body, 422, "application/problem+json", Retry_After="3"))
    with pytest.raises(Problem, match="take materials") as caught:
        client.submit(spec)
    problem = caught.value
    assert (problem.status, problem.code, problem.field) == (422, "invalid_request", "task.name")
    assert problem.retry_after == 3


@pytest.mark.parametrize(("body", "kind"), [(b"<h1>Bad Gateway</h1>", "text/html"), (b"{nonsense", "application/json")])
def test_an_answer_that_is_no_problem_is_shown_in_part(client, orchestrator, answer, body: bytes, kind: str) -> None:
    orchestrator.on("/v1/tasks", answer(body, 502, kind))
    with pytest.raises(Problem, match="HTTP 502") as caught:
        client.tasks()
    assert body.decode() in caught.value.detail


def test_nobody_there_is_a_problem_that_says_what_to_do() -> None:
    port = draw_ports(["none"], {})["none"]
    with Client(f"http://127.0.0.1:{port}") as client, pytest.raises(Problem, match="socratic status") as caught:
        client.get("job-1")
    assert caught.value.code == "unreachable"


def test_lists_are_read_to_their_last_page(client, orchestrator, answer, step_records) -> None:
    pages = [
        {"object": "list", "data": [record.model_dump(mode="json")], "has_more": record.step < 3}
        | {"first_id": str(record.step), "last_id": str(record.step)}
        for record in step_records
    ]
    orchestrator.on("/v1/jobs/job-1/steps", *[answer(page) for page in pages])
    assert client.steps("job-1") == step_records
    assert [path.partition("after=")[2] for _, path, _, _ in orchestrator.asked] == ["", "1", "2"]


def test_the_stream_ends_with_the_jobs_last_event(client, orchestrator, stream) -> None:
    orchestrator.on(STREAM, stream(CREATED, b": ping\n\n", ENDED))
    found = list(client.stream("job-1"))
    assert [item.id for item in found] == ["1-0", "3-0"]
    assert found[0].event == JobCreated(at=1.0, name="small")
    assert found[1].event == StatusChanged(at=1.0, status=JobStatus.SUCCEEDED)


def test_a_dropped_stream_is_resumed_where_it_broke(client, orchestrator, stream, job_running) -> None:
    orchestrator.on(STREAM, stream(CREATED, RUNNING[:20]), stream(RUNNING), stream(ENDED))
    assert [item.id for item in client.stream("job-1")] == ["1-0", "2-0", "3-0"]
    asked = [headers.get("last-event-id") for _, path, headers, _ in orchestrator.asked if path == STREAM]
    assert asked == [None, "1-0", "2-0"]


def test_an_orchestrator_that_is_restarted_under_a_stream_is_waited_for(
    client, orchestrator, answer, stream, job_running
) -> None:
    orchestrator.on(STREAM, stream(CREATED), answer({"detail": "starting"}, 503), stream(ENDED))
    assert [item.id for item in client.stream("job-1")] == ["1-0", "3-0"]


def test_a_stream_without_answers_is_given_up(client, orchestrator, answer, monkeypatch) -> None:
    monkeypatch.setattr(client_module, "RECONNECT_SECONDS", 0.05)
    orchestrator.on(STREAM, answer({"detail": "no Redis"}, 503, "application/problem+json"))
    with pytest.raises(Problem, match="no Redis"):
        list(client.stream("job-1"))


def test_an_unknown_job_is_not_asked_for_twice(client, orchestrator, answer) -> None:
    orchestrator.on(STREAM, answer({"detail": "no such job", "code": "job_not_found"}, 404, "application/problem+json"))
    with pytest.raises(Problem, match="no such job"):
        list(client.stream("job-1"))
    assert len(orchestrator.asked) == 1


def test_a_stream_behind_the_last_event_of_an_ended_job_is_empty(
    client, orchestrator, answer, stream, make_job
) -> None:
    orchestrator.on(STREAM, stream())
    orchestrator.on("/v1/jobs/job-1", answer(make_job(status="succeeded").model_dump(mode="json")))
    empty = {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
    orchestrator.on("/v1/jobs/job-1/events", answer(empty))
    assert list(client.stream("job-1", after="3-0")) == []


def test_no_operation_of_the_api_is_left_out() -> None:
    """The paths in the client's source are those of the document, which a test compares with the service."""
    document = json.loads((Path(__file__).parents[3] / "docs/openapi.json").read_text())
    asked = set(re.findall(r'f?"(/v1/[^"?]+)"', Path(client_module.__file__).read_text()))
    assert asked == {path for path in document["paths"] if path.startswith("/v1/")}
