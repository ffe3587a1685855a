"""The controller over real Redis and HTTP: a whole job, with trainer and workers played by the test."""

import pytest
from contracts import keys


def status_of(api, job_id):
    return api.get(f"/v1/jobs/{job_id}").json()["status"]


def events_of(api, job_id, kind):
    return [event for event in api.get(f"/v1/jobs/{job_id}/events").json()["data"] if event["type"] == kind]


def wait_reason(api, job_id):
    return api.get(f"/v1/jobs/{job_id}").json()["wait_reason"]


@pytest.fixture
def job_id(api, job_body):
    return api.post("/v1/jobs", json=job_body()).json()["id"]


def test_a_job_runs_to_its_end(api, job_id, players, eventually, store):
    eventually(lambda: wait_reason(api, job_id) == "trainer: publishing the base policy")
    assert store.get(keys.active_job()).decode() == job_id

    players.publish(job_id, 0)
    eventually(lambda: wait_reason(api, job_id) == "evaluation: 0 of 6 questions of policy 0")
    players.roll_out(job_id, "eval", 0, [0.0, 1.0], limit=4)
    eventually(lambda: wait_reason(api, job_id) == "evaluation: 4 of 6 questions of policy 0")
    assert store.get(keys.manifest(job_id, "train", 1)) is None, "no batch opens while an evaluation is pending"
    players.roll_out(job_id, "eval", 0, [0.0, 1.0])

    for step in (1, 2):
        eventually(lambda step=step: wait_reason(api, job_id) == f"rollout: 0 of 8 episodes of step {step}")
        players.roll_out(job_id, "train", step)
        eventually(lambda step=step: wait_reason(api, job_id) == f"trainer: updating on step {step}")
        players.publish(job_id, step)
    eventually(lambda: wait_reason(api, job_id) == "evaluation: 0 of 6 questions of policy 2")
    players.roll_out(job_id, "eval", 2)

    eventually(lambda: status_of(api, job_id) == "succeeded")
    eventually(lambda: store.get(keys.active_job()) is None)
    assert players.queued_chunks() == 4, "two evaluations and two batches of one chunk each"
    records = api.get(f"/v1/jobs/{job_id}/evaluations").json()["data"]
    assert [(record["step"], record["unassisted_accuracy"], record["guided_accuracy"]) for record in records] == [
        (0, 0.0, 1.0),
        (2, 1.0, 1.0),
    ]
    assert api.get(f"/v1/jobs/{job_id}/evaluations", params={"after": 0}).json()["data"] == records[1:]
    assert [(event["purpose"], event["step"]) for event in events_of(api, job_id, "manifest.opened")] == [
        ("eval", 0),
        ("train", 1),
        ("train", 2),
        ("eval", 2),
    ]
    assert [event["status"] for event in events_of(api, job_id, "job.status")] == ["running", "succeeded"]
