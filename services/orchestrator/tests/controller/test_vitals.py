"""What the metrics show of queues, memory and budget is what Redis holds."""

import math

import pytest
from contracts import keys
from contracts.jobs import JobSpec
from contracts.statuses import JobStatus
from orchestrator.job_row import JobRow
from orchestrator.observation import ControllerMetrics
from orchestrator.vitals import read_vitals
from prometheus_client import CollectorRegistry

JOB = "job-1"


def row_with(job_body, budget) -> JobRow:
    spec = JobSpec.model_validate(job_body({"teacher.budget": budget}))
    return JobRow(JOB, spec, JobStatus.RUNNING, 0.0, 0.0, 0.0, 0, None, None)


async def test_chunks_that_nobody_took_are_counted(client, sender):
    for chunk in range(3):
        sender.send(JOB, "train", 1, chunk)
    vitals = await read_vitals(client, None)
    assert (vitals.queued_chunks, vitals.backlog_episodes, vitals.budget_used) == (3, 0, None)
    assert vitals.redis_bytes > 100_000


async def test_episodes_that_were_read_and_not_acknowledged_are_the_backlog(client, job_body):
    stream = keys.stream(JOB, "train")
    entries = [await client.xadd(stream, {"episode": b"x"}) for _ in range(5)]
    await client.xgroup_create(stream, keys.TRAINER_GROUP, id="0")
    await client.xreadgroup(keys.TRAINER_GROUP, "rank0", {stream: ">"})
    await client.xack(stream, keys.TRAINER_GROUP, *entries[:2])
    assert (await read_vitals(client, row_with(job_body, None))).backlog_episodes == 3


@pytest.mark.parametrize(
    ("budget", "used"),
    [
        ({"usd": 2.0}, 0.75),
        ({"usd": 2.0, "requests": 4}, 0.75),
        ({"tokens": 1000, "requests": 4}, 0.9),
        ({"usd": 0}, None),
    ],
)
async def test_the_fullest_cap_counts_with_calls_in_flight(client, job_body, budget, used):
    held = {"held_nanos": 1_500_000_000, "held_tokens": 900, "held_requests": 2, "settled_nanos": 1}
    await client.hset(keys.spending(f"job:{JOB}"), mapping=held)
    assert (await read_vitals(client, row_with(job_body, budget))).budget_used == used


async def test_a_controller_that_leads_no_more_shows_nothing_of_the_system(client, controller, store):
    leader = controller(client)
    await leader.tick()
    shown = leader.metrics._jobs.collect()[0].samples
    assert {sample.labels["status"] for sample in shown} == {status.value for status in JobStatus}
    store.set(keys.lease("controller"), "somebody else")
    await leader.tick()
    assert leader.metrics._jobs.collect()[0].samples == []
    assert math.isnan(leader.metrics._vitals["redis_bytes"].collect()[0].samples[0].value)


async def test_no_budget_is_no_number(client):
    registry = CollectorRegistry()
    ControllerMetrics(registry).show_vitals(await read_vitals(client, None))
    assert registry.get_sample_value("socratic_rollout_queue_chunks") == 0
    assert math.isnan(registry.get_sample_value("socratic_budget_used_ratio"))
