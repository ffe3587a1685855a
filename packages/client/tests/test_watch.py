"""Waiting for a job's end has an end of its own."""

import pytest
from contracts.errors import Problem
from contracts.views import Progress
from socratic import watch as watch_module
from socratic.client import Client
from socratic.watch import watch


@pytest.fixture
def client(orchestrator, monkeypatch):
    monkeypatch.setattr(watch_module, "POLL_SECONDS", 0.01)
    with Client(orchestrator.url) as client:
        yield client


def test_every_look_is_shown_until_the_job_has_ended(client, orchestrator, answer, make_job) -> None:
    jobs = [make_job(progress=Progress(step=step, steps=3)) for step in (1, 2)] + [make_job(status="succeeded")]
    orchestrator.on("/v1/jobs/job-1", *[answer(job.model_dump(mode="json")) for job in jobs])
    shown = []
    assert watch(client, "job-1", shown.append) == jobs[-1]
    assert shown == jobs


def test_a_restarted_orchestrator_is_waited_for(client, orchestrator, answer, make_job) -> None:
    ended = make_job(status="cancelled")
    orchestrator.on("/v1/jobs/job-1", answer({}, 503), answer({}, 503), answer(ended.model_dump(mode="json")))
    assert watch(client, "job-1", lambda job: None) == ended


def test_silence_is_given_up(client, orchestrator, answer, monkeypatch) -> None:
    monkeypatch.setattr(watch_module, "SILENCE_SECONDS", 0.05)
    orchestrator.on("/v1/jobs/job-1", answer({}, 503))
    with pytest.raises(Problem, match="HTTP 503"):
        watch(client, "job-1", lambda job: None)


def test_a_job_that_stands_still_is_given_up_with_what_it_waits_for(client, orchestrator, answer, make_job) -> None:
    orchestrator.on("/v1/jobs/job-1", answer(make_job(wait_reason="trainer: updating").model_dump(mode="json")))
    with pytest.raises(Problem, match=r"trainer: updating.*socratic cancel job-1"):
        watch(client, "job-1", lambda job: None, stall_seconds=0.05)


def test_a_paused_job_may_wait_for_its_user(client, orchestrator, answer, make_job) -> None:
    paused, ended = (answer(make_job(status=status).model_dump(mode="json")) for status in ("paused", "succeeded"))
    orchestrator.on("/v1/jobs/job-1", *[paused] * 8, ended)
    assert watch(client, "job-1", lambda job: None, stall_seconds=0.05).status == "succeeded"


def test_an_unknown_job_is_an_error_at_once(client, orchestrator, answer) -> None:
    orchestrator.on("/v1/jobs/job-1", answer({"detail": "no such job"}, 404))
    with pytest.raises(Problem, match="no such job"):
        watch(client, "job-1", lambda job: None)
