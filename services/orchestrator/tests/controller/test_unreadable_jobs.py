"""A job whose spec this version cannot read, in the controller's hands: it ends by name, and the others run."""

import pytest
from contracts import keys
from contracts.errors import Problem
from contracts.statuses import TERMINAL, JobStatus
from orchestrator.rollout.contexts import JobContexts
from orchestrator.store import Store

KINDS = ["bound", "unknown", "missing", "broken"]


def status(store, job_id):
    return store.hget(keys.job(job_id), "status").decode()


async def failed(jobs, job_id):
    """Its error, once its events tell the same."""
    row = await jobs.job(job_id)
    assert row.status == JobStatus.FAILED
    _, last = (await jobs.newest_events(job_id, None, 1))[0]
    assert (last.status, last.reason) == (JobStatus.FAILED, row.error["detail"])
    return row.error


@pytest.mark.parametrize("kind", KINDS)
async def test_a_queued_one_fails_when_its_turn_comes_and_the_next_one_runs(
    client, controller, players, store, job_spec, spoil, kind
):
    jobs = Store(client)
    first, odd, next_one = [await jobs.create(job_spec()) for _ in range(3)]
    ticking = controller(client)
    await ticking.tick()
    spoil(odd, kind)
    await ticking.tick()
    assert [status(store, job_id) for job_id in (first, odd, next_one)] == ["running", "queued", "queued"]
    assert await jobs.queue() == [odd, next_one]
    await jobs.cancel(first)
    for _ in range(3):
        await ticking.tick()
    assert (await failed(jobs, odd))["code"] == "spec_unreadable"
    assert [status(store, job_id) for job_id in (first, next_one)] == ["cancelled", "running"]
    assert not [key for key in store.scan_iter() if odd.encode() in key and b"manifest" in key]


@pytest.mark.parametrize("state", ["running", "pausing"])
@pytest.mark.parametrize("published", [True, False])
async def test_one_that_holds_the_engine_fails_and_gives_it_free(
    client, controller, players, store, job_spec, spoil, state, published
):
    jobs = Store(client)
    odd, other = await jobs.create(job_spec()), await jobs.create(job_spec())
    before = controller(client)
    await before.tick()
    await before.lease.release()
    if published:
        players.publish(odd, 0)
    if state == "pausing":
        await jobs.pause(odd)
    spoil(odd, "unknown")
    upgraded = controller(client)
    await upgraded.tick()
    error = await failed(jobs, odd)
    assert error["code"] == "spec_unreadable"
    assert "rollout.warmth: Extra inputs are not permitted" in error["detail"]
    await upgraded.tick()
    assert (status(store, other), store.get(keys.active_job()).decode()) == ("running", other)


@pytest.mark.parametrize("state", ["paused", "cancelling", *sorted(TERMINAL)])
async def test_one_that_holds_nothing_is_left_as_it_is_but_for_what_was_asked(
    client, controller, players, store, job_spec, spoil, state
):
    jobs = Store(client)
    odd, other = await jobs.create(job_spec()), await jobs.create(job_spec())
    store.hset(keys.job(odd), "status", state)
    spoil(odd)
    ticking = controller(client)
    await ticking.tick()
    assert status(store, odd) == ("cancelled" if state == "cancelling" else state)
    assert status(store, other) == "running"
    assert ticking.metrics._jobs.labels("running")._value.get() == 1


async def test_the_store_reads_it_among_others(client, store, job_spec, spoil):
    jobs = Store(client)
    made = [await jobs.create(job_spec({"name": name})) for name in ("one", "two", "three")]
    spoil(made[1], "missing")
    assert [row.name for row in await jobs.jobs(made)] == ["one", "two", "three"]
    assert [row.id for row in await jobs.live()] == made
    with pytest.raises(Problem, match=r"training\.steps: Field required"):
        assert (await jobs.job(made[1])).spec


async def test_a_worker_does_not_roll_it_out(client, store, job_spec, spoil):
    """The message was under way when the system was stopped for the upgrade."""
    job_id = await Store(client).create(job_spec())
    spoil(job_id)
    with pytest.raises(Problem) as refused:
        await JobContexts(Store(client), [], []).of(job_id)
    assert refused.value.code == "spec_unreadable"


async def test_a_row_of_which_nothing_can_be_read_is_a_row(client, store, job_spec):
    jobs = Store(client)
    job_id = await jobs.create(job_spec())
    store.hset(keys.job(job_id), "spec", b"\xff\xfe")
    assert ((await jobs.job(job_id)).name, (await jobs.job(job_id)).student_model) == (job_id, None)
    store.hdel(keys.job(job_id), "spec")
    with pytest.raises(Problem, match="Invalid JSON"):
        assert (await jobs.job(job_id)).spec
