"""One controller leads; a former leader cannot write."""

import asyncio

import pytest
from contracts import keys
from contracts.records import EvaluationRecord
from contracts.statuses import JobStatus
from orchestrator.lease import LEASE_SECONDS, Lease
from orchestrator.ledger import LeadershipLost, Ledger
from orchestrator.openings import train_manifest
from orchestrator.redis_client import connect
from orchestrator.store import Store
from orchestrator.watch import Watch

STARTED = [("job.created", None), ("job.status", "running")]


async def test_of_two_controllers_one_leads_and_the_other_takes_over(
    redis_url, client, controller, players, store, job_spec, story
):
    job_id = await Store(client).create(job_spec())
    leader, follower = controller(client), controller(client)
    await leader.tick()
    for _ in range(3):
        await follower.tick()
    assert await follower.lease.hold() is None
    assert store.get(keys.lease("controller")).decode() == leader.lease.owner
    store.delete(keys.lease("controller"))  # as if it had expired
    await follower.tick()
    assert store.get(keys.lease("controller")).decode() == follower.lease.owner
    players.publish(job_id, 0)
    await leader.tick()
    assert story(job_id) == STARTED, "the former leader does nothing"
    await follower.tick()
    assert story(job_id) == [*STARTED, ("manifest.opened", 0)]


async def test_a_leader_that_was_frozen_cannot_write(client, store, job_spec):
    jobs = Store(client)
    job_id = await jobs.create(job_spec())
    old_token = await Lease(client).hold()
    store.delete(keys.lease("controller"))
    new_token = await Lease(client).hold()
    assert new_token == old_token + 1
    frozen = Ledger(client, old_token)
    manifest = train_manifest(job_id, job_spec(), [f"q{index}" for index in range(9)], 1)
    for write in (
        lambda: frozen.claim(job_id),
        lambda: frozen.open_manifest(manifest),
        lambda: frozen.end(job_id, JobStatus.FAILED, "x", "y"),
        lambda: frozen.release(job_id),
    ):
        with pytest.raises(LeadershipLost):
            await write()
    assert (await jobs.job(job_id)).status == "queued"
    assert await Ledger(client, new_token).claim(job_id)


async def test_the_lease_expires_and_is_renewed_by_its_owner(client, store):
    lease = Lease(client)
    token = await lease.hold()
    assert 0 < store.pttl(keys.lease("controller")) <= LEASE_SECONDS * 1000, "from its first moment on"
    assert await lease.hold() == token
    assert 0 < store.pttl(keys.lease("controller")) <= LEASE_SECONDS * 1000
    store.pexpire(keys.lease("controller"), 500)
    await lease.hold()
    assert store.pttl(keys.lease("controller")) > 500
    await Lease(client).release()
    assert await Lease(client).hold() is None, "given back by its holder alone"
    await lease.release()
    assert await Lease(client).hold() == token + 1


async def test_manifests_and_evaluations_are_written_once(client, store, job_spec, story):
    jobs, ledger = Store(client), Ledger(client, await Lease(client).hold())
    job_id = await jobs.create(job_spec())
    first = train_manifest(job_id, job_spec(), [f"q{index}" for index in range(9)], 1)
    other = train_manifest(job_id, job_spec({"seed": 9}), [f"q{index}" for index in range(9)], 1)
    assert await ledger.open_manifest(first)
    assert not await ledger.open_manifest(other)
    assert await Watch(client).manifest(job_id, "train", 1) == first
    measured = EvaluationRecord(
        questions=6,
        unassisted_accuracy=0.5,
        guided_accuracy=0.5,
        step=0,
        policy_version=0,
        failed_episodes=0,
        format_rate=1.0,
        domains={},
        seconds=1.0,
    )
    assert await ledger.record_evaluation(job_id, measured)
    assert not await ledger.record_evaluation(job_id, measured.model_copy(update={"unassisted_accuracy": 0.75}))
    assert await jobs.evaluations(job_id) == [measured]
    assert [kind for kind, _ in story(job_id)] == ["job.created", "manifest.opened", "evaluation.finished"]


async def test_the_engine_is_claimed_by_one_queued_job(client, store, job_spec):
    jobs, ledger = Store(client), Ledger(client, await Lease(client).hold())
    first, second = [await jobs.create(job_spec()) for _ in range(2)]
    assert [await ledger.claim(job_id) for job_id in (first, second, first)] == [True, False, False]
    assert store.get(keys.active_job()).decode() == first
    assert [(await jobs.job(job_id)).status for job_id in (first, second)] == ["running", "queued"]
    await ledger.release(second)
    assert store.get(keys.active_job()).decode() == first, "given free by its holder alone"
    await ledger.release(first)
    assert not await ledger.claim(first), "it is not queued any more"
    assert await ledger.claim(second)


async def test_an_outage_of_redis_is_waited_out(redis_url, controller, players, store, job_spec, client):
    """The loop goes on after commands failed."""
    job_id = await Store(client).create(job_spec())
    unlucky = connect("redis://127.0.0.1:1/0")
    ticking = controller(unlucky)
    running = asyncio.create_task(ticking.run())
    await asyncio.sleep(0.3)
    assert not running.done()
    for part in (ticking, ticking.watch, ticking.store, ticking.lease):
        part.redis = client
    ticking.watch.batches.redis = client
    for _ in range(500):
        await asyncio.sleep(0.02)
        if store.hget(keys.job(job_id), "status") == b"running":
            break
    ticking.stop()
    await running
    assert store.hget(keys.job(job_id), "status") == b"running"
    assert store.get(keys.lease("controller")) is None, "a controller that stops lets the next one lead at once"
    await unlucky.aclose()
