"""A dead component fails the job, with a name and the next step; nothing waits for ever."""

import asyncio

from contracts import keys
from orchestrator.store import Store


async def overdue(ticking, store, job_id):
    """Tick until the job has failed; returns its error and wait reason."""
    for _ in range(200):
        await ticking.tick()
        if store.hget(keys.job(job_id), "status") == b"failed":
            return (await Store(ticking.redis).job(job_id)).error
        await asyncio.sleep(0.01)
    raise AssertionError("the job did not fail")


async def test_a_dead_trainer_fails_the_job_and_the_next_one_runs(client, controller, players, store, job_spec):
    jobs = Store(client)
    job_id, other = await jobs.create(job_spec()), await jobs.create(job_spec())
    store.delete(keys.heartbeat("trainer", "rank0"))
    ticking = controller(client, trainer_missing_seconds=0.05)
    error = await overdue(ticking, store, job_id)
    assert error["code"] == "trainer_missing"
    assert "python -m trainer" in error["detail"]
    players.heartbeat("trainer", "rank0")
    await ticking.tick()
    assert store.get(keys.active_job()).decode() == other


async def test_stalled_rollouts_fail_the_job(client, controller, players, store, job_spec):
    spec = job_spec({"rollout.episode_timeout_seconds": 0.01})
    job_id = await Store(client).create(spec)
    players.publish(job_id, 0)
    error = await overdue(controller(client, rollout_stalled_seconds=0.05), store, job_id)
    assert error["code"] == "rollout_stalled"
    assert "evaluation: 0 of 6 questions of policy 0" in error["detail"]


async def test_dead_workers_fail_the_job(client, controller, players, store, job_spec):
    job_id = await Store(client).create(job_spec())
    players.publish(job_id, 0)
    store.delete(keys.heartbeat("worker", "here-1"))
    assert (await overdue(controller(client, workers_missing_seconds=0.05), store, job_id))["code"] == "workers_missing"


async def test_a_silent_trainer_fails_the_job(client, controller, players, store, job_spec):
    job_id = await Store(client).create(job_spec())
    error = await overdue(controller(client, trainer_stalled_seconds=0.05), store, job_id)
    assert error["code"] == "trainer_stalled"


async def test_an_evaluation_without_one_completed_question_fails_the_job(client, controller, players, store, job_spec):
    job_id = await Store(client).create(job_spec())
    ticking = controller(client)
    await ticking.tick()
    players.publish(job_id, 0)
    await ticking.tick()
    players.roll_out(job_id, "eval", 0, [])
    error = await overdue(ticking, store, job_id)
    assert error["code"] == "evaluation_failed_teacher_unreachable"
    assert "nobody there" in error["detail"]


async def test_data_that_vanished_fails_the_job(client, controller, players, store, job_spec, tmp_path):
    spec = job_spec({"task": {"name": "sciknoweval", "options": {"path": str(tmp_path / "gone"), "domain": "physics"}}})
    job_id = await Store(client).create(spec)
    players.publish(job_id, 0)
    error = await overdue(controller(client), store, job_id)
    assert error["code"] == "invalid_request"
