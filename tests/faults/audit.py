"""What became of every episode of a job, and whether an unbroken run would have learned the same."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import redis
from contracts import keys
from contracts.episodes import Episode, decode_episode
from contracts.events import EVENT_FIELD, decode_event
from contracts.manifests import Manifest, decode_manifest
from contracts.policies import checkpoint_directory
from msgspec import MsgspecError
from servicekit.checksums import SHA256
from trainer.archive import read_batch

# Of entries that were left.
MOST_TOLD = 100


@dataclass(frozen=True)
class Audit:
    """Of one job. lost: in a manifest, but in no checkpoint or archive; doubled: more than once in checkpoints, archive
    or stream; both by step. reasons: why recorded failures failed. longest: seconds that the calls of one episode took.
    weights: SHA-256 of the last ones."""

    episodes: int
    lost: Counter[int]
    doubled: Counter[int]
    reasons: Counter[str]
    longest: float
    weights: str


def audit(store: "redis.Redis", data_root: Path, job_id: str, steps: int) -> Audit:
    """Compare manifests, stream, archive, checkpoints and events of a job that has ended."""
    manifests = manifests_of(store, job_id, steps)
    wanted = {entry.episode_id: manifest.step for manifest in manifests for entry in manifest.entries}
    archived = [episode for step in range(1, steps + 1) for episode in read_batch(data_root, job_id, step)]
    consumed = Counter(consumed_ids(data_root, job_id))
    trained = Counter(episode.episode_id for episode in archived)
    streamed = Counter(episode.episode_id for episode in streamed_episodes(store, job_id))
    lost = Counter(step for name, step in wanted.items() if not (consumed[name] and trained[name]))
    counts = (consumed, trained, streamed)
    doubled = Counter(step for name, step in wanted.items() if max(count[name] for count in counts) > 1)
    told = steps_told(store, job_id)
    assert told == list(range(1, steps + 1)), told
    assert consumed.keys() <= wanted.keys()
    assert all(episode.failure is None or episode.failure.detail for episode in archived)
    pending = store.xpending_range(keys.stream(job_id, "train"), keys.TRAINER_GROUP, "-", "+", MOST_TOLD)
    assert pending == [], (job_id, pending)
    reasons = Counter(episode.failure.code for episode in archived if episode.failure is not None)
    longest = max(map(seconds_of, archived))
    return Audit(len(wanted), lost, doubled, reasons, longest, weights_at(data_root, job_id, steps))


def seconds_of(episode: Episode) -> float:
    """By the worker's monotonic clock, so that no jump of a wall clock shows."""
    return sum(each.latency_seconds for each in [*episode.attempts, *episode.guidances])


def manifests_of(store: "redis.Redis", job_id: str, steps: int) -> list[Manifest]:
    return [decode_manifest(store.get(keys.manifest(job_id, "train", step))) for step in range(1, steps + 1)]


def streamed_episodes(store: "redis.Redis", job_id: str) -> list[Episode]:
    """Every episode in the job's stream; poison is passed over."""
    found = []
    for _, fields in store.xrange(keys.stream(job_id, "train")):
        try:
            found.append(decode_episode(fields[keys.EPISODE_FIELD.encode()]))
        except MsgspecError:
            continue
    return found


def consumed_ids(data_root: Path, job_id: str) -> list[str]:
    """Episode ids as the kept checkpoints name them."""
    directories = sorted(checkpoint_directory(data_root, job_id, 0).parent.glob("step-*"))
    states = [json.loads((directory / "state.json").read_text()) for directory in directories]
    return [item for state in states for ids in state["consumed"].values() for item in ids]


def steps_told(store: "redis.Redis", job_id: str) -> list[int]:
    """The trained steps, as the events tell of them."""
    events = [decode_event(fields[EVENT_FIELD.encode()]) for _, fields in store.xrange(keys.events(job_id))]
    return [event.record.step for event in events if getattr(event, "type", "") == "step.trained"]


def weights_at(data_root: Path, job_id: str, step: int) -> str:
    """SHA-256 of the weights in a step's checkpoint."""
    return SHA256.of(checkpoint_directory(data_root, job_id, step) / "model.safetensors")
