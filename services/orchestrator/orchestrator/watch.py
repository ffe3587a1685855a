"""What the controller sees: live jobs, the state of the running one, who is alive. Reads only."""

import json
import time
from dataclasses import dataclass

from contracts import keys
from contracts.episodes import Purpose
from contracts.manifests import Manifest, chunk_count, chunk_entries
from contracts.statuses import TERMINAL

from orchestrator.batches import Batches
from orchestrator.job_row import JobRow
from orchestrator.live_jobs import LiveJob, read_live_jobs
from orchestrator.redis_client import RedisBytes
from orchestrator.rollout.dispatch import queue_key
from orchestrator.schedule import JobState, OpenBatch, chunks_due, evaluation_due, window

# Finding heartbeats walks the key space, so not at every tick; a worker's heartbeat outlives several looks.
WORKERS_LOOK_SECONDS = 2.0
SCAN_KEYS = 1000
KEPT_MANIFESTS = 64


@dataclass(frozen=True)
class DueChunk:
    """A chunk that nobody works on; `missing` of its episodes have not arrived."""

    chunk: int
    missing: int
    again: bool  # it was handed out before


class Watch:
    """The controller's eyes. Manifests never change, so those that are there are read once."""

    def __init__(self, redis: RedisBytes) -> None:
        self.redis = redis
        self.batches = Batches(redis)
        self._manifests: dict[tuple[str, Purpose, int], Manifest] = {}
        self._workers_seen: tuple[float, bool] = (0.0, False)

    async def live_jobs(self) -> list[LiveJob]:
        """Jobs that have not ended, oldest first; forgets those that have."""
        jobs = await read_live_jobs(self.redis)
        ended = [job.id for job in jobs if job.status in TERMINAL]
        if ended:
            await self.redis.zrem(keys.live_jobs(), *ended)
        return [job for job in jobs if job.status not in TERMINAL]

    async def active_job(self) -> str | None:
        """The job that holds the student engine."""
        job_id = await self.redis.get(keys.active_job())
        return str(job_id.decode()) if job_id else None

    async def state(self, row: JobRow) -> JobState:
        """Everything that the schedule needs to know about a running job."""
        version = row.served_version
        evaluated = frozenset(int(step) for step in await self.redis.hkeys(keys.evaluations(row.id)))
        due = evaluation_due(row.spec, version, evaluated)
        found = [(step, await self.open_batch(row.id, "train", step)) for step in window(row.spec, version)]
        return JobState(
            spec=row.spec,
            policy_version=version,
            evaluated=evaluated,
            train={step: batch for step, batch in found if batch is not None},
            evaluation=None if due is None else await self.open_batch(row.id, "eval", due),
            trainer_alive=bool(await self.redis.exists(keys.heartbeat("trainer", "rank0"))),
            workers_alive=await self.workers_alive(),
            throttled_by=await self.throttled_by(row.id),
            seat=row.seat,
            to_publish=row.policy_version,
        )

    async def open_batches(self, row: JobRow) -> list[OpenBatch]:
        """Every batch of a job that a worker may be at, whether or not the engine serves it."""
        version, steps = row.policy_version, window(row.spec, row.policy_version)
        if version is None:
            return []
        found = [await self.open_batch(row.id, "eval", version)]
        found += [await self.open_batch(row.id, "train", step) for step in steps]
        return [batch for batch in found if batch is not None]

    async def at_work(self, row: JobRow) -> str | None:
        """Who works on the job at this moment, in words; None when nobody does."""
        for batch in await self.open_batches(row):
            manifest = await self.manifest(row.id, batch.purpose, batch.step)
            chunks = range(chunk_count(manifest)) if manifest else range(0)
            leases = [keys.chunk_lease(row.id, batch.purpose, batch.step, chunk) for chunk in chunks]
            if leases and any(await self.redis.mget(leases)):
                return "the rollout workers"
        beat = await self.redis.get(keys.heartbeat("trainer", "rank0"))
        return "the trainer" if beat and json.loads(beat).get("job_id") == row.id else None

    async def throttled_by(self, job_id: str) -> str | None:
        """The provider whose rate limit the job's guidance waits for at this moment, as the gateway tells."""
        provider = await self.redis.get(keys.throttled(job_id))
        return None if provider is None else str(provider.decode())

    async def open_batch(self, job_id: str, purpose: Purpose, step: int) -> OpenBatch | None:
        """The batch of a frozen manifest; None before it was opened, and after a Redis that crashed has lost it."""
        if not await self.redis.exists(keys.manifest(job_id, purpose, step)):
            self._manifests.pop((job_id, purpose, step), None)
            return None
        manifest = await self.manifest(job_id, purpose, step)
        if manifest is None:
            return None
        arrived = await self.batches.arrived(job_id, purpose, step)
        return OpenBatch(purpose, step, manifest.policy_version, len(manifest.entries), arrived)

    async def manifest(self, job_id: str, purpose: Purpose, step: int) -> Manifest | None:
        """A frozen manifest, read once."""
        name = (job_id, purpose, step)
        if name not in self._manifests:
            manifest = await self.batches.manifest(job_id, purpose, step)
            if manifest is None:
                return None
            if len(self._manifests) >= KEPT_MANIFESTS:
                del self._manifests[next(iter(self._manifests))]
            self._manifests[name] = manifest
        return self._manifests[name]

    async def due_chunks(self, job_id: str, batch: OpenBatch) -> list[DueChunk]:
        """Chunks that should be handed out now."""
        manifest = await self.manifest(job_id, batch.purpose, batch.step)
        if manifest is None:
            return []
        sent = await self.redis.hgetall(keys.dispatched(job_id, batch.purpose, batch.step))
        times = {int(chunk): float(when) for chunk, when in sent.items()}
        due = chunks_due(chunk_count(manifest), times, time.time())
        if not due:
            return []
        leases = [keys.chunk_lease(job_id, batch.purpose, batch.step, chunk) for chunk in due]
        free = [chunk for chunk, lease in zip(due, await self.redis.mget(leases), strict=True) if lease is None]
        arrived = await self.batches.arrived_ids(job_id, batch.purpose, batch.step)
        missing = {
            chunk: sum(entry.episode_id not in arrived for entry in chunk_entries(manifest, chunk)) for chunk in free
        }
        return [DueChunk(chunk, count, chunk in times) for chunk, count in missing.items() if count]

    async def chunks_wait(self) -> bool:
        """The queue still holds chunks that no worker has taken."""
        return bool(await self.redis.llen(queue_key()))

    async def workers_alive(self) -> bool:
        """At least one rollout worker has a heartbeat."""
        looked_at, alive = self._workers_seen
        if time.monotonic() - looked_at > WORKERS_LOOK_SECONDS:
            pattern = keys.heartbeat("worker", "*")
            alive = False
            async for _ in self.redis.scan_iter(match=pattern, count=SCAN_KEYS):
                alive = True
                break
            self._workers_seen = (time.monotonic(), alive)
        return alive
