"""Pausing and resuming over real Redis and HTTP, with trainer and workers played by the test."""

import pytest
import redis
from contracts import keys
from contracts.scripts import TRANSITION
from contracts.transitions import pausing


def job_of(api, job_id):
    return api.get(f"/v1/jobs/{job_id}").json()


def statuses_told(api, job_id):
    events = api.get(f"/v1/jobs/{job_id}/events").json()["data"]
    return [event["status"] for event in events if event["type"] == "job.status"]


@pytest.fixture
def running(api, job_body, players, eventually):
    """A job that waits for the episodes of step 1, the chunk leased by a worker and the trainer at it."""
    job_id = api.post("/v1/jobs", json=job_body()).json()["id"]
    eventually(lambda: job_of(api, job_id)["status"] == "running")
    players.publish(job_id, 0)
    players.roll_out(job_id, "eval", 0)
    eventually(lambda: job_of(api, job_id)["wait_reason"] == "rollout: 0 of 8 episodes of step 1")
    players.client.set(keys.chunk_lease(job_id, "train", 1, 0), "worker")
    players.heartbeat("trainer", "rank0", job_id)
    return job_id


def release(players, job_id):
    """Worker and trainer see the pause and stop."""
    players.client.delete(keys.chunk_lease(job_id, "train", 1, 0))
    players.heartbeat("trainer", "rank0")


def test_a_job_is_paused_only_when_nobody_works_on_it_any_more(api, running, players, eventually):
    assert api.post(f"/v1/jobs/{running}/pause").json()["status"] == "pausing"
    eventually(lambda: "the rollout workers stop" in job_of(api, running)["wait_reason"])
    players.client.delete(keys.chunk_lease(running, "train", 1, 0))
    eventually(lambda: "the trainer stop" in job_of(api, running)["wait_reason"])
    assert players.client.get(keys.active_job()).decode() == running
    players.heartbeat("trainer", "rank0")
    job = eventually(lambda: (found := job_of(api, running))["status"] == "paused" and found)
    assert (job["pause_reason"], job["finished_at"]) == ("user", None)
    assert job["wait_reason"].startswith("paused (user)")


def test_a_paused_job_gives_the_engine_to_the_next_and_goes_on_after_it(api, job_body, running, players, eventually):
    other = api.post("/v1/jobs", json=job_body()).json()["id"]
    players.roll_out(running, "train", 1, limit=3)
    api.post(f"/v1/jobs/{running}/pause")
    release(players, running)
    eventually(lambda: job_of(api, other)["status"] == "running")
    resumed = api.post(f"/v1/jobs/{running}/resume").json()
    assert resumed["status"] == "queued"
    assert not (resumed["wait_reason"] or "").startswith("paused")
    eventually(lambda: job_of(api, running)["wait_reason"] == f"queue: waiting for {other} to end")
    api.post(f"/v1/jobs/{other}/cancel")

    eventually(lambda: job_of(api, running)["wait_reason"] == "trainer: publishing the base policy")
    assert job_of(api, running)["pause_reason"] is None
    sent = players.queued_chunks()
    players.publish(running, 0)
    eventually(lambda: job_of(api, running)["wait_reason"] == "rollout: 3 of 8 episodes of step 1")
    eventually(lambda: players.queued_chunks() == sent + 1)
    for step in (1, 2):
        players.roll_out(running, "train", step)
        players.publish(running, step)
    players.roll_out(running, "eval", 2)
    eventually(lambda: job_of(api, running)["status"] == "succeeded")
    assert statuses_told(api, running) == ["running", "pausing", "paused", "queued", "running", "succeeded"]
    kinds = [event["type"] for event in api.get(f"/v1/jobs/{running}/events").json()["data"]]
    assert "chunk.redispatched" not in kinds, "a pause is no lost worker"


def test_nothing_is_handed_out_before_the_engine_serves_the_resumed_job(api, running, players, store, eventually):
    players.roll_out(running, "train", 1)
    players.publish(running, 1)
    eventually(lambda: store.exists(keys.manifest(running, "train", 2)))
    api.post(f"/v1/jobs/{running}/pause")
    release(players, running)
    eventually(lambda: job_of(api, running)["status"] == "paused")
    sent = players.queued_chunks()
    api.post(f"/v1/jobs/{running}/resume")
    eventually(lambda: job_of(api, running)["wait_reason"] == "trainer: publishing policy 1")
    assert job_of(api, running)["progress"]["policy_version"] == 1, "what users see never goes back"
    assert players.queued_chunks() == sent
    players.publish(running, 1)
    eventually(lambda: players.queued_chunks() == sent + 1)


def test_pausing_is_called_off_by_resume(api, running, eventually):
    api.post(f"/v1/jobs/{running}/pause")
    assert api.post(f"/v1/jobs/{running}/resume").json()["status"] == "running"
    eventually(lambda: job_of(api, running)["wait_reason"] == "rollout: 0 of 8 episodes of step 1")
    assert statuses_told(api, running) == ["running", "pausing", "running"]


def test_repeating_does_nothing_and_the_table_forbids_the_rest(api, job_body, running, players, eventually):
    queued = api.post("/v1/jobs", json=job_body()).json()["id"]
    refused = api.post(f"/v1/jobs/{queued}/pause")
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_transition")
    assert api.post(f"/v1/jobs/{queued}/resume").json()["status"] == "queued"
    assert api.post(f"/v1/jobs/{running}/resume").json()["status"] == "running"
    for _ in range(2):
        assert api.post(f"/v1/jobs/{running}/pause").status_code == 202
    release(players, running)
    eventually(lambda: job_of(api, running)["status"] == "paused")
    assert api.post(f"/v1/jobs/{running}/pause").json()["status"] == "paused"
    for _ in range(2):
        assert api.post(f"/v1/jobs/{running}/resume").status_code == 202
    assert statuses_told(api, running) == ["running", "pausing", "paused", "queued"]
    api.post(f"/v1/jobs/{queued}/cancel")
    api.post(f"/v1/jobs/{running}/cancel")
    for job_id in (queued, running):
        eventually(lambda job_id=job_id: job_of(api, job_id)["status"] == "cancelled")
        for action in ("pause", "resume"):
            assert api.post(f"/v1/jobs/{job_id}/{action}").status_code == 409


def test_a_service_pauses_with_its_own_reason(api, running, players, eventually):
    store: redis.Redis = players.client
    step = pausing(running, "budget_exhausted", "10.00 of 10.00 USD are spent; raise teacher.budget.usd", 5.0)
    assert store.eval(TRANSITION, 2, *step.keys, *step.arguments) == [1, b"running"]
    release(players, running)
    job = eventually(lambda: (found := job_of(api, running))["status"] == "paused" and found)
    assert job["pause_reason"] == "budget_exhausted"
    assert job["wait_reason"] == "paused (budget_exhausted): 10.00 of 10.00 USD are spent; raise teacher.budget.usd"
    assert store.eval(TRANSITION, 2, *step.keys, *step.arguments) == [0, b"paused"]


async def test_a_trainer_that_never_lets_go_cannot_hold_a_pause_for_ever(
    client, controller, job_spec, players, store, monkeypatch
):
    monkeypatch.setattr("orchestrator.driver.PAUSE_SECONDS", 0.0)
    from orchestrator.store import Store

    job_id = await Store(client).create(job_spec())
    leader = controller(client)
    await leader.tick()
    players.heartbeat("trainer", "rank0", job_id)
    await Store(client).pause(job_id)
    await leader.tick()
    assert store.hget(keys.job(job_id), "status") == b"paused"
    assert store.get(keys.active_job()) is None


async def test_time_spent_paused_counts_towards_no_deadline(client, controller, job_spec, players, store, monkeypatch):
    from orchestrator.store import Store

    job_id = await Store(client).create(job_spec())
    leader = controller(client, trainer_stalled_seconds=1.0)
    clock = [100.0]
    monkeypatch.setattr("orchestrator.driver.time.monotonic", lambda: clock[0])
    await leader.tick()
    await leader.tick()
    store.delete(keys.lease("controller"))
    await Store(client).pause(job_id)
    await controller(client).tick()  # another one leads meanwhile, so that the first hears of no pause
    clock[0] += 3600
    await Store(client).resume(job_id)
    store.delete(keys.lease("controller"))
    await leader.tick()
    await leader.tick()
    assert store.hget(keys.job(job_id), "status") == b"running"
    clock[0] += 3600
    await leader.tick()
    assert store.hget(keys.job(job_id), "status") == b"failed", "the deadline itself still works"
