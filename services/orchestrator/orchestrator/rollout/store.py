"""What rollout workers read and write in Redis: leases of chunks, arrived episodes, heartbeats."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from contracts import keys
from contracts.episodes import Episode, Purpose, encode_episode
from contracts.events import EVENT_FIELD, EpisodeFailed, encode_event
from contracts.manifests import ManifestEntry
from contracts.rotation import Rotation, Standing
from contracts.scripts import APPEND_EPISODES, TRANSITION
from contracts.statuses import JobStatus
from contracts.transitions import pausing

from orchestrator.redis_client import RedisBytes
from orchestrator.rollout.appending import Appending

# A lost worker's chunk is free again after this; it must outlast a stall of the event loop on a loaded machine.
LEASE_SECONDS = 6.0
# Three misses in a row before a living worker loses its lease.
RENEW_SECONDS = 2.0
HEARTBEAT_SECONDS = 10
HEARTBEAT_EVERY_SECONDS = 2.0

# KEYS: lease. ARGV: holder, milliseconds. Returns 1 when the holder has the lease: its own, or a free one.
KEEP_LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
# KEYS: lease. ARGV: holder.
DROP_LEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"


@dataclass(frozen=True)
class Chunk:
    """Part `number` of the entries of one manifest: what one message hands out."""

    job_id: str
    purpose: Purpose
    step: int
    number: int

    @property
    def lease(self) -> str:
        return keys.chunk_lease(self.job_id, self.purpose, self.step, self.number)


class RolloutStore:
    """Every write is idempotent, so a chunk may be rolled out twice without harm."""

    def __init__(self, redis: RedisBytes) -> None:
        self.redis = redis
        self.append_episodes = redis.register_script(APPEND_EPISODES)
        self.appending = Appending(self.append_all)

    async def take(self, chunk: Chunk, holder: str) -> bool:
        """Lease a chunk that nobody works on. `holder` is unique to one run of it."""
        return bool(await self.redis.set(chunk.lease, holder, nx=True, px=milliseconds(LEASE_SECONDS)))

    async def keep(self, chunk: Chunk, holder: str) -> bool:
        """Prolong the lease, or take it anew after Redis forgot it; False when another worker has it."""
        kept = await self.redis.eval(KEEP_LEASE, 1, chunk.lease, holder, str(milliseconds(LEASE_SECONDS)))
        return bool(kept)

    async def drop(self, chunk: Chunk, holder: str) -> None:
        """Give the lease back, if it is still the holder's."""
        await self.redis.eval(DROP_LEASE, 1, chunk.lease, holder)

    async def is_running(self, job_id: str) -> bool:
        """The job wants episodes."""
        return bool(await self.redis.hget(keys.job(job_id), "status") == JobStatus.RUNNING.value.encode())

    async def pause(self, job_id: str, detail: str) -> bool:
        """Ask for a pause with reason budget_exhausted; False when the job does not run any more."""
        step = pausing(job_id, "budget_exhausted", detail, time.time())
        changed, _ = await self.redis.eval(TRANSITION, len(step.keys), *step.keys, *step.arguments)
        return bool(changed)

    async def missing(self, chunk: Chunk, entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
        """The entries whose episodes have not arrived."""
        if not entries:
            return []
        index = keys.index(chunk.job_id, chunk.purpose, chunk.step)
        known = await self.redis.hmget(index, [entry.episode_id for entry in entries])
        return [entry for entry, arrived in zip(entries, known, strict=True) if arrived is None]

    async def append(self, episode: Episode) -> bool:
        """Add the episode to its stream, together with others that wait; False when it was there already."""
        new = await self.appending.append(episode)
        if new and episode.failure is not None:
            await self._tell_failure(episode.job_id, episode.episode_id, episode.failure.code, episode.failure.detail)
        return new

    async def append_all(self, episodes: Sequence[Episode]) -> list[bool]:
        """Add episodes of one step to their stream, in one piece; tells for each whether it is new."""
        first = episodes[0]
        index, stream = keys.index(first.job_id, first.purpose, first.step), keys.stream(first.job_id, first.purpose)
        fields = [(one.episode_id, keys.EPISODE_FIELD, encode_episode(one)) for one in episodes]
        answer = await self.append_episodes([index, stream], list(chain.from_iterable(fields)))
        return [bool(new) for new in answer[1::2]]

    async def rotation(self, job_id: str) -> Rotation:
        """Which engine replicas have proved what, as the trainer recorded it."""
        found = await self.redis.hgetall(keys.rotation(job_id))
        return {url.decode(): Standing.model_validate_json(data) for url, data in found.items()}

    async def beat(self, instance: str, state: dict[str, int]) -> None:
        """Say that this worker is alive."""
        payload = json.dumps({"at": time.time(), **state})
        await self.redis.set(keys.heartbeat("worker", instance), payload, ex=HEARTBEAT_SECONDS)

    async def leave(self, instance: str) -> None:
        """Say that this worker is gone."""
        await self.redis.delete(keys.heartbeat("worker", instance))

    async def _tell_failure(self, job_id: str, episode_id: str, code: str, detail: str) -> None:
        event = EpisodeFailed(at=time.time(), episode_id=episode_id, code=code, detail=detail)
        await self.redis.xadd(keys.events(job_id), {EVENT_FIELD: encode_event(event)})


def milliseconds(seconds: float) -> int:
    """For Redis' PX."""
    return round(seconds * 1000)
