"""The Lua scripts on a real Redis."""

import json

import pytest
import redis
from contracts import keys
from contracts.events import StatusChanged, encode_event
from contracts.scripts import APPEND_EPISODES, TRANSITION
from contracts.statuses import JobStatus, sources_of

JOB = "job-1"


@pytest.fixture
def store(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url, decode_responses=True)


def append(store: redis.Redis, episode_id: str, payload: str) -> list[object]:
    names = [keys.index(JOB, "train", 1), keys.stream(JOB, "train")]
    answer: list[object] = store.eval(APPEND_EPISODES, 2, *names, episode_id, keys.EPISODE_FIELD, payload)
    return answer


def test_appending_twice_appends_once(store: redis.Redis) -> None:
    entry, new = append(store, "a", "first")
    assert new == 1
    assert append(store, "a", "second") == [entry, 0]
    other, _ = append(store, "b", "third")
    assert store.xrange(keys.stream(JOB, "train")) == [(entry, {"episode": "first"}), (other, {"episode": "third"})]
    assert store.hgetall(keys.index(JOB, "train", 1)) == {"a": entry, "b": other}
    store.close()


def move(store: redis.Redis, target: JobStatus, reason: str = "") -> list[object]:
    event = encode_event(StatusChanged(at=5.0, status=target))
    arguments = [target, ",".join(sources_of(target)), "5.0", event, reason]
    answer: list[object] = store.eval(TRANSITION, 2, keys.job(JOB), keys.events(JOB), *arguments)
    return answer


def test_a_transition_writes_status_and_event_together_or_neither(store: redis.Redis) -> None:
    assert move(store, JobStatus.RUNNING) == [0, ""]
    store.hset(keys.job(JOB), "status", "queued")
    assert move(store, JobStatus.RUNNING) == [1, "queued"]
    assert move(store, JobStatus.RUNNING) == [0, "running"]
    assert move(store, JobStatus.PAUSED) == [0, "running"]
    assert move(store, JobStatus.FAILED, '{"code": "trainer_lost"}') == [1, "running"]
    assert move(store, JobStatus.CANCELLING) == [0, "failed"]
    assert store.hgetall(keys.job(JOB)) == {
        "status": "failed",
        "updated_at": "5.0",
        "error": '{"code": "trainer_lost"}',
    }
    told = [json.loads(fields["event"])["status"] for _, fields in store.xrange(keys.events(JOB))]
    assert told == ["running", "failed"]
    store.close()
