"""Chunks are handed out once, and again when they are lost."""

import time

from contracts import keys
from contracts.jobs import JobSpec
from contracts.manifests import decode_manifest
from orchestrator.rollout.dispatch import queue_key
from orchestrator.store import Store

QUEUE_KEY = queue_key()


async def open_batch_with_sent_chunks(client, controller, players, job_spec):
    """A running job whose step 1 (40 episodes, two chunks) was handed out."""
    spec: JobSpec = job_spec({"rollout.group_size": 10, "evaluation.every": 2, "evaluation.questions": 1})
    job_id = await Store(client).create(spec)
    ticking = controller(client)
    await ticking.tick()
    players.publish(job_id, 0)
    await ticking.tick()
    players.roll_out(job_id, "eval", 0)
    await ticking.tick()
    await ticking.tick()
    assert players.queued_chunks() == 3
    return ticking, job_id


def sent_long_ago(store, job_id):
    """And taken by workers that died with them."""
    store.delete(QUEUE_KEY)
    for chunk in store.hkeys(keys.dispatched(job_id, "train", 1)):
        store.hset(keys.dispatched(job_id, "train", 1), chunk, time.time() - 60)


async def test_a_lost_chunk_is_handed_out_again(client, controller, players, store, job_spec, told):
    ticking, job_id = await open_batch_with_sent_chunks(client, controller, players, job_spec)
    await ticking.tick()
    assert players.queued_chunks() == 3, "nothing is sent twice while it is fresh"
    players.roll_out(job_id, "train", 1, limit=32)
    sent_long_ago(store, job_id)
    await ticking.tick()
    again = [event for event in told(job_id) if event.type == "chunk.redispatched"]
    assert [(event.step, event.chunk, event.missing) for event in again] == [(1, 1, 8)], "chunk 0 is complete"
    assert players.queued_chunks() == 1
    await ticking.tick()
    assert players.queued_chunks() == 1, "the grace time starts anew"


async def test_a_chunk_that_a_worker_holds_is_left_alone(client, controller, players, store, job_spec, told):
    ticking, job_id = await open_batch_with_sent_chunks(client, controller, players, job_spec)
    store.set(keys.chunk_lease(job_id, "train", 1, 0), "worker", px=60_000)
    sent_long_ago(store, job_id)
    await ticking.tick()
    again = [event.chunk for event in told(job_id) if event.type == "chunk.redispatched"]
    assert again == [1]


async def test_nothing_is_sent_again_while_no_worker_lives(client, controller, players, store, job_spec):
    _, job_id = await open_batch_with_sent_chunks(client, controller, players, job_spec)
    store.delete(keys.heartbeat("worker", "here-1"))
    sent_long_ago(store, job_id)
    store.delete(keys.lease("controller"))
    await controller(client).tick()
    assert players.queued_chunks() == 0
    assert store.hget(keys.job(job_id), "wait_reason") == b"workers: no rollout worker is alive"


async def test_chunks_that_busy_workers_have_not_taken_are_not_sent_again(client, controller, players, store, job_spec):
    ticking, job_id = await open_batch_with_sent_chunks(client, controller, players, job_spec)
    waiting = store.lrange(QUEUE_KEY, 0, -1)
    sent_long_ago(store, job_id)
    store.rpush(QUEUE_KEY, *waiting)
    await ticking.tick()
    assert players.queued_chunks() == 3


async def test_a_manifest_that_a_crashed_redis_has_lost_is_opened_again(client, controller, players, store, job_spec):
    ticking, job_id = await open_batch_with_sent_chunks(client, controller, players, job_spec)
    await ticking.tick()
    manifest = store.get(keys.manifest(job_id, "train", 1))
    store.delete(keys.manifest(job_id, "train", 1))
    await ticking.tick()
    again = store.get(keys.manifest(job_id, "train", 1))
    assert decode_manifest(again).entries == decode_manifest(manifest).entries
