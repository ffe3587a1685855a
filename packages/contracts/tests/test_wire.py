"""Episodes and manifests as msgpack: nothing is lost, nothing unknown gets in."""

from struct import pack
from typing import Any

import msgspec
import pytest
from contracts.episodes import Episode, decode_episode, decode_episodes, encode_episode, encode_episodes
from contracts.manifests import (
    CHUNK_EPISODES,
    Manifest,
    chunk_count,
    chunk_entries,
    decode_manifest,
    encode_manifest,
    episode_id,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .strategies import episodes, manifests

# Nested records are slow to draw on a busy machine; the number of examples is not the point.
records = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@records
@given(episodes)
def test_an_episode_survives_the_wire(episode: Episode) -> None:
    assert decode_episode(encode_episode(episode)) == episode


@records
@given(manifests)
def test_a_manifest_survives_the_wire(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest)) == manifest


@records
@given(manifests)
def test_chunks_are_the_entries_in_order(manifest: Manifest) -> None:
    chunks = [chunk_entries(manifest, chunk) for chunk in range(chunk_count(manifest))]
    assert [entry for chunk in chunks for entry in chunk] == manifest.entries
    assert all(0 < len(chunk) <= CHUNK_EPISODES for chunk in chunks)


def plain_episode(**changes: Any) -> dict[str, Any]:
    attempt = {
        "token_ids": [5, 6],
        "logprobs": [-0.5, -0.25],
        "version_spans": [{"version": 3, "start": 0, "end": 2}],
        "text": "B",
        "outcome": "correct",
        "reward": 1.0,
        "finish_reason": "stop",
        "latency_seconds": 0.1,
    }
    return {
        "version": 1,
        "episode_id": "j/train/4/q/0",
        "job_id": "j",
        "purpose": "train",
        "step": 4,
        "question_id": "q",
        "sample": 0,
        "prompt_token_ids": [1, 2],
        "attempts": [attempt],
        "guidances": [],
        "failure": None,
        "started_at": 1.0,
        "finished_at": 2.0,
        **changes,
    }


def test_the_wire_format_of_version_2_is_this_map() -> None:
    """What older processes have written must stay readable: change the version when this test must change."""
    packed = {"token_ids": b"i" + pack("<2i", 5, 6), "logprobs": b"f" + pack("<2f", -0.5, -0.25)}
    prompt = b"i" + pack("<2i", 1, 2)
    told = plain_episode(version=2, prompt_token_ids=prompt, attempts=[plain_episode()["attempts"][0] | packed])
    episode = decode_episode(msgspec.msgpack.encode(told))
    assert msgspec.msgpack.decode(encode_episode(episode)) == told
    assert (episode.attempts[0].token_ids, episode.attempts[0].logprobs) == ([5, 6], [-0.5, -0.25])


def test_episodes_of_version_1_are_still_read() -> None:
    """Their lists are packed, so that they are equal to the same episode of today but for the version."""
    old = decode_episode(msgspec.msgpack.encode(plain_episode()))
    assert msgspec.structs.replace(decode_episode(encode_episode(old)), version=1) == old
    assert (old.version, old.prompt_token_ids, old.attempts[0].logprobs) == (1, [1, 2], [-0.5, -0.25])


@records
@given(st.lists(episodes, max_size=2))
def test_a_batch_survives_its_file(batch: list[Episode]) -> None:
    assert decode_episodes(encode_episodes(batch)) == batch


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"version": 3}, "version"),
        ({"surprise": 1}, "surprise"),
        ({"purpose": "test"}, "purpose"),
        ({"attempts": [{"token_ids": [1]}]}, "attempts"),
        ({"attempts": None}, "attempts"),
        ({"failure": {"code": "x", "detail": "y", "more": 1}}, "more"),
        ({"step": "4"}, "step"),
        ({"prompt_token_ids": [1.5]}, "prompt_token_ids"),
        ({"prompt_token_ids": [2**31]}, "prompt_token_ids"),
        ({"prompt_token_ids": b""}, "prompt_token_ids"),
        ({"prompt_token_ids": b"f\0\0\0\0"}, "prompt_token_ids"),
        ({"prompt_token_ids": b"i\0\0\0"}, "prompt_token_ids"),
        ({"prompt_token_ids": 7}, "prompt_token_ids"),
    ],
)
def test_what_is_no_episode_of_this_version_is_refused(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=cause):
        decode_episode(msgspec.msgpack.encode(plain_episode(**changes)))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"hello", msgspec.msgpack.encode([1]), msgspec.msgpack.encode({})])
def test_other_bytes_are_refused(data: bytes) -> None:
    for decode in (decode_episode, decode_manifest):
        with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
            decode(data)


def test_a_manifest_of_another_version_or_with_more_fields_is_refused() -> None:
    manifest = {"job_id": "j", "purpose": "eval", "step": 0, "policy_version": 0, "entries": []}
    assert decode_manifest(msgspec.msgpack.encode({"version": 1, **manifest})).step == 0
    for changed in ({"version": 2, **manifest}, {**manifest, "surprise": 1}):
        with pytest.raises(msgspec.ValidationError):
            decode_manifest(msgspec.msgpack.encode(changed))


def test_accuracy_of_an_episode() -> None:
    def outcome(*rewards: float) -> tuple[bool, bool]:
        attempts = [{**plain_episode()["attempts"][0], "reward": reward} for reward in rewards]
        episode = decode_episode(msgspec.msgpack.encode(plain_episode(attempts=attempts)))
        return episode.unassisted, episode.guided

    assert outcome(1.0) == (True, True)
    assert outcome(0.0, 1.0) == (False, True)
    assert outcome(0.0, 0.0) == (False, False)
    assert outcome() == (False, False)


parts = st.tuples(
    st.sampled_from(["j1", "j2"]),
    st.sampled_from(["train", "eval"]),
    st.integers(0, 3),
    st.sampled_from(["q1", "q2"]),
    st.integers(0, 3),
)


@given(parts, parts)
def test_episode_ids_are_equal_only_for_the_same_episode(one: Any, other: Any) -> None:
    assert (episode_id(*one) == episode_id(*other)) == (one == other)
