"""Redis as the controller leaves it for the workers, and what the workers leave there."""

import time
from collections import Counter

import redis
from contracts import keys
from contracts.episodes import Episode, Purpose, decode_episode
from contracts.events import EpisodeFailed, Event, decode_event
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, encode_manifest
from contracts.rotation import Standing


class Board:
    """A running job `job-1` in Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def post(self, spec: JobSpec, *manifests: Manifest) -> None:
        fields = {"spec": spec.model_dump_json(), "status": "running", "created_at": "1.0", "updated_at": "1.0"}
        self.client.hset(keys.job("job-1"), mapping=fields)
        for manifest in manifests:
            name = keys.manifest(manifest.job_id, manifest.purpose, manifest.step)
            self.client.set(name, encode_manifest(manifest))

    def prove(self, url: str) -> None:
        """What the trainer records when this replica serves the first versions."""
        standing = Standing(versions=list(range(10)), since=time.time())
        self.client.hset(keys.rotation("job-1"), url, standing.model_dump_json())

    def set_status(self, status: str) -> None:
        self.client.hset(keys.job("job-1"), "status", status)

    def episodes(self, purpose: Purpose = "train") -> list[Episode]:
        entries = self.client.xrange(keys.stream("job-1", purpose))
        return [decode_episode(fields[b"episode"]) for _, fields in entries]

    def appended(self, purpose: Purpose = "train") -> Counter[str]:
        """How often each episode is in the stream."""
        return Counter(episode.episode_id for episode in self.episodes(purpose))

    def failures(self) -> list[EpisodeFailed]:
        found: list[Event] = [decode_event(fields[b"event"]) for _, fields in self.client.xrange(keys.events("job-1"))]
        return [event for event in found if isinstance(event, EpisodeFailed)]

    def lease(self, chunk: int = 0) -> bytes | None:
        holder: bytes | None = self.client.get(keys.chunk_lease("job-1", "train", 1, chunk))
        return holder

    def lease_milliseconds(self, chunk: int = 0) -> int:
        """What is left of a lease; negative without one or without an end."""
        return int(self.client.pttl(keys.chunk_lease("job-1", "train", 1, chunk)))

    def steal(self, chunk: int = 0) -> None:
        self.client.set(keys.chunk_lease("job-1", "train", 1, chunk), "another worker", px=60000)

    def free(self, chunk: int = 0) -> None:
        self.client.delete(keys.chunk_lease("job-1", "train", 1, chunk))
