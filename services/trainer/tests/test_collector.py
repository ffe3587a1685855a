"""The collector: every episode of a manifest once, in manifest order, acknowledged only when told."""

import random
import threading
import time
from collections.abc import Callable

import msgspec
import pytest
import redis
from contracts import keys
from contracts.episodes import Episode, Failure, VersionSpan, encode_episode
from contracts.events import EVENT_FIELD, EpisodeRejected, decode_event
from trainer.collector import MOST_REJECTIONS, Collector
from trainer.failures import JobFailure
from trainer.soundness import complaint_about
from trainer.store import CONSUMER, Store

from .makers import JOB, VOCAB, episode, episodes_of_step
from .rig import append, put_manifest, unacknowledged

PATIENCE_SECONDS = 20.0


def collector_of(client: "redis.Redis") -> Collector:
    """As a trainer that just started; gives up instead of waiting for ever."""
    started = time.monotonic()

    def look() -> None:
        assert time.monotonic() - started < PATIENCE_SECONDS, "the collector waits for what never comes"

    collector = Collector(Store(client), JOB, VOCAB, look)
    collector.replay()
    return collector


def ids(episodes: list[Episode]) -> list[str]:
    return [item.episode_id for item in episodes]


def test_manifest_order_whatever_the_arrival_order(client: "redis.Redis") -> None:
    first, second = episodes_of_step(1), episodes_of_step(2)
    put_manifest(client, first)
    put_manifest(client, second)
    append(client, first + second, shuffle_seed=7)
    collector = collector_of(client)
    assert collector.collect(1) == first
    assert collector.collect(2) == second


def test_waits_for_the_manifest_and_for_late_episodes(client: "redis.Redis") -> None:
    episodes = episodes_of_step(1)

    def feed() -> None:
        time.sleep(0.1)
        append(client, episodes[:5])
        put_manifest(client, episodes)
        time.sleep(0.3)
        append(client, episodes[5:])

    thread = threading.Thread(target=feed)
    thread.start()
    assert collector_of(client).collect(1) == episodes
    thread.join()


def test_nothing_is_acknowledged_before_it_is_committed_and_a_crash_replays_it(client: "redis.Redis") -> None:
    batches = {step: episodes_of_step(step) for step in (1, 2, 3)}
    for batch in batches.values():
        put_manifest(client, batch)
        append(client, batch)
    collector = collector_of(client)
    for step in (1, 2, 3):
        collector.collect(step)
    assert unacknowledged(client) == 36
    collector.acknowledge(2)
    assert unacknowledged(client) == 12
    restarted = collector_of(client)
    assert restarted.collect(3) == batches[3]
    restarted.acknowledge(3)
    assert unacknowledged(client) == 0


def test_foreign_and_repeated_episodes_change_nothing(client: "redis.Redis") -> None:
    episodes = episodes_of_step(1)
    rng = random.Random(0)
    put_manifest(client, episodes)
    append(client, [episode(rng, [1.0], question="stranger")])
    append(client, episodes)
    again = msgspec.structs.replace(episodes[0], started_at=5.0)
    client.xadd(keys.stream(JOB, "train"), {keys.EPISODE_FIELD: encode_episode(again)})
    collector = collector_of(client)
    assert collector.collect(1) == episodes
    collector.acknowledge(1)
    assert unacknowledged(client) == 0


def test_a_corrupt_entry_is_a_dead_letter_and_its_episode_is_made_again(client: "redis.Redis") -> None:
    episodes = episodes_of_step(1)
    put_manifest(client, episodes)
    append(client, episodes[1:])
    entry = client.xadd(keys.stream(JOB, "train"), {keys.EPISODE_FIELD: b"\xc1 no msgpack"})
    index = keys.index(JOB, "train", 1)
    client.hset(index, episodes[0].episode_id, entry)

    def make_again() -> None:
        while client.hexists(index, episodes[0].episode_id):
            time.sleep(0.01)
        append(client, episodes[:1])

    thread = threading.Thread(target=make_again)
    thread.start()
    collector = collector_of(client)
    assert collector.collect(1) == episodes
    thread.join()
    [(_, letter)] = client.xrange(keys.dead_letters(JOB))
    assert (letter[b"entry"], letter[b"episode"]) == (entry, b"\xc1 no msgpack")
    [(_, told)] = client.xrange(keys.events(JOB))
    assert isinstance(decode_event(told[EVENT_FIELD.encode()]), EpisodeRejected)
    collector.acknowledge(1)
    assert unacknowledged(client) == 0


def lose_reply(client: "redis.Redis") -> None:
    """Entries are delivered to the trainer, and the connection breaks before it has read them."""
    assert client.xreadgroup(keys.TRAINER_GROUP, CONSUMER, {keys.stream(JOB, "train"): ">"})


@pytest.mark.parametrize("later", [[], [11]], ids=["the last ones", "not the last ones"])
def test_entries_of_a_lost_reply_are_taken_up(
    client: "redis.Redis", monkeypatch: pytest.MonkeyPatch, later: list[int]
) -> None:
    monkeypatch.setattr("trainer.store.PENDING_IDS", 5)
    episodes = episodes_of_step(1)
    put_manifest(client, episodes)
    collector = collector_of(client)
    append(client, [item for place, item in enumerate(episodes) if place not in later])
    lose_reply(client)
    append(client, [episodes[place] for place in later])
    assert collector.collect(1) == episodes
    collector.acknowledge(1)
    assert unacknowledged(client) == 0


def test_strays_of_a_lost_reply_are_done_with_when_the_step_is(client: "redis.Redis") -> None:
    episodes = episodes_of_step(1)
    put_manifest(client, episodes)
    collector = collector_of(client)
    stream = keys.stream(JOB, "train")
    client.xadd(stream, {keys.EPISODE_FIELD: encode_episode(episodes[0])})
    client.xadd(stream, {keys.EPISODE_FIELD: b"\xc1 no msgpack"})
    lose_reply(client)
    append(client, episodes)
    assert collector.collect(1) == episodes
    collector.acknowledge(1)
    assert unacknowledged(client) == 0
    assert client.xlen(keys.dead_letters(JOB)) == 1


def test_a_worker_that_writes_only_rubbish_fails_the_job(client: "redis.Redis") -> None:
    put_manifest(client, episodes_of_step(1))
    for _ in range(MOST_REJECTIONS + 1):
        client.xadd(keys.stream(JOB, "train"), {"other": "field"})
    with pytest.raises(JobFailure, match="no episodes that can be trained on"):
        collector_of(client).collect(1)


def test_episodes_acknowledged_under_a_lost_checkpoint_are_found_again(client: "redis.Redis") -> None:
    episodes = episodes_of_step(1)
    put_manifest(client, episodes)
    append(client, episodes)
    collector = collector_of(client)
    collector.collect(1)
    collector.acknowledge(1)
    assert collector_of(client).collect(1) == episodes


def test_a_recorded_failure_counts_as_arrived(client: "redis.Redis") -> None:
    rng = random.Random(0)
    failed = episode(rng, [], failure=Failure(code="deadline", detail="late"))
    episodes = [episode(rng, [1.0], sample=1), failed]
    put_manifest(client, episodes)
    append(client, episodes)
    assert collector_of(client).collect(1) == episodes


Change = Callable[[Episode], Episode]


def attempt_with(**changes: object) -> Change:
    def change(item: Episode) -> Episode:
        return msgspec.structs.replace(item, attempts=[msgspec.structs.replace(item.attempts[0], **changes)])

    return change


def with_(**changes: object) -> Change:
    return lambda item: msgspec.structs.replace(item, **changes)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (with_(job_id="other"), "belongs to job other"),
        (with_(purpose="eval"), "purpose eval"),
        (with_(prompt_token_ids=[]), "no prompt"),
        (with_(attempts=[]), "no attempt"),
        (with_(prompt_token_ids=[VOCAB]), "outside the vocabulary"),
        (with_(prompt_token_ids=[-1]), "outside the vocabulary"),
        (attempt_with(token_ids=[], logprobs=[], version_spans=[]), "without tokens"),
        (attempt_with(logprobs=[-1.0]), "with 1 log-probabilities"),
        (attempt_with(logprobs=[float("nan"), -1.0]), "not finite"),
        (attempt_with(reward=float("inf")), "not finite"),
        (attempt_with(version_spans=[VersionSpan(version=0, start=0, end=1)]), "version spans"),
        (attempt_with(version_spans=[VersionSpan(version=0, start=1, end=2)]), "version spans"),
    ],
)
def test_episodes_that_decode_but_cannot_be_trained_on(change: Change, complaint: str) -> None:
    sound = attempt_with(
        token_ids=[1, 2], logprobs=[-1.0, -2.0], version_spans=[VersionSpan(version=0, start=0, end=2)]
    )(episode(random.Random(0), [1.0]))
    assert complaint_about(sound, JOB, VOCAB) is None
    found = complaint_about(change(sound), JOB, VOCAB)
    assert found is not None
    assert complaint in found
