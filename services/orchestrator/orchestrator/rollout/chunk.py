"""Rolls out the missing episodes of one chunk, all at once, under a lease that says who works on it."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

import structlog
from contracts.episodes import Episode, Failure
from contracts.manifests import ManifestEntry, chunk_entries
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from servicekit.logs import bind

from orchestrator.batches import Batches
from orchestrator.rollout.contexts import JobContexts
from orchestrator.rollout.episode import Parties, failed_episode, roll_out
from orchestrator.rollout.metrics import RolloutMetrics
from orchestrator.rollout.plan import Plan, plan_of
from orchestrator.rollout.retries import BudgetExhausted
from orchestrator.rollout.store import RENEW_SECONDS, Chunk, RolloutStore

# A restarted Redis is back within seconds. Later, the finished episodes are given up: they are made again.
APPEND_PATIENCE_SECONDS = 60.0
APPEND_PAUSE_SECONDS = 0.5

log = structlog.get_logger()


class ChunkRunner:
    """Works on chunks; `slots` bounds the episodes in flight in this process."""

    def __init__(
        self,
        store: RolloutStore,
        batches: Batches,
        contexts: JobContexts,
        parties: Parties,
        slots: asyncio.Semaphore,
        metrics: RolloutMetrics,
    ) -> None:
        self.store = store
        self.batches = batches
        self.contexts = contexts
        self.parties = parties
        self.slots = slots
        self.metrics = metrics
        self.rolling: set[asyncio.Task[None]] = set()
        self.closing = False

    async def run(self, chunk: Chunk) -> None:
        """Make what is missing of the chunk; nothing when another worker has it or the job wants no more episodes.

        Raises a Problem when this machine lacks the job's student or data, RedisError when Redis stays away.
        """
        bind(job_id=chunk.job_id, purpose=chunk.purpose, step=chunk.step, chunk=chunk.number)
        holder = secrets.token_hex(8)
        if self.closing or not await self.store.is_running(chunk.job_id) or not await self.store.take(chunk, holder):
            return
        rolling = asyncio.create_task(self._roll_out_missing(chunk))
        self.rolling.add(rolling)
        try:
            await self._watch(rolling, chunk, holder)
        finally:
            rolling.cancel()
            self.rolling.discard(rolling)
            await self.store.drop(chunk, holder)
        if not rolling.cancelled():
            rolling.result()

    def give_back(self) -> None:
        """End every chunk now and take no more; other workers find the leases free."""
        self.closing = True
        for rolling in self.rolling:
            rolling.cancel()

    async def _watch(self, rolling: asyncio.Task[None], chunk: Chunk, holder: str) -> None:
        """Prolong the lease until the chunk is rolled out; end the work when it is no longer wanted."""
        while not rolling.done():
            await asyncio.wait({rolling}, timeout=RENEW_SECONDS)
            if not rolling.done() and not await self._is_wanted(chunk, holder):
                # Repeated at every look: redis-py can lose a cancellation that meets it in a failing command.
                rolling.cancel()

    async def _is_wanted(self, chunk: Chunk, holder: str) -> bool:
        """The chunk is still this worker's and its job runs. While Redis is away, so is any other opinion."""
        if self.closing:
            return False
        try:
            return await self.store.keep(chunk, holder) and await self.store.is_running(chunk.job_id)
        except RedisError as error:
            log.warning("lease_not_renewed", cause=str(error))
            return True

    async def _roll_out_missing(self, chunk: Chunk) -> None:
        manifest = await self.batches.manifest(chunk.job_id, chunk.purpose, chunk.step)
        if manifest is None:
            log.warning("chunk_without_manifest")
            return
        entries = await self.store.missing(chunk, chunk_entries(manifest, chunk.number))
        plan = plan_of(await self.contexts.of(chunk.job_id), manifest)
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(self._deliver(plan, entry))

    async def _deliver(self, plan: Plan, entry: ManifestEntry) -> None:
        """Make one episode and append it, whatever became of it; without money for its teacher the job pauses."""
        async with self.slots:
            with self.metrics.in_flight.track_inprogress():
                try:
                    episode = await self._complete(plan, entry)
                except BudgetExhausted as exhausted:
                    await self._pause(plan.job.job_id, str(exhausted))
                    return
            if await patiently(lambda: self.store.append(episode)):
                self.metrics.observe(episode)

    async def _pause(self, job_id: str, detail: str) -> None:
        """The other episodes of the chunk are given up as soon as the worker sees the new status."""
        if await patiently(lambda: self.store.pause(job_id, detail)):
            log.warning("job_out_of_budget", detail=detail)

    async def _complete(self, plan: Plan, entry: ManifestEntry) -> Episode:
        """The episode; a defect in a task or of ours fails this one only, and is logged with its traceback."""
        started_at = time.time()
        try:
            episode = await roll_out(plan, entry, self.parties)
        except BudgetExhausted:
            raise
        except Exception as error:  # the boundary of an episode: a bad one is data
            log.error("episode_crashed", episode_id=entry.episode_id, exc_info=error)
            failure = Failure(code="internal_error", detail=f"{type(error).__name__}: {error}")
            return failed_episode(plan, entry, failure, started_at)
        if episode.failure is not None:
            log.warning("episode_failed", episode_id=entry.episode_id, code=episode.failure.code)
        return episode


async def patiently(write: Callable[[], Awaitable[bool]]) -> bool:
    """Repeat an idempotent write while Redis is away. Raises RedisError when it stays away."""
    deadline = time.monotonic() + APPEND_PATIENCE_SECONDS
    while True:
        try:
            return await write()
        except (RedisConnectionError, RedisTimeoutError):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(APPEND_PAUSE_SECONDS)
