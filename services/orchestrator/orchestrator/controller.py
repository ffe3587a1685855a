"""The controller: compares what should exist with what does, many times a second, and issues what is missing.

All state is in Redis, and every write is idempotent: it may be killed between any two lines.
"""

import asyncio
import time
from contextlib import suppress

import structlog
from contracts.errors import Problem
from contracts.statuses import JobStatus
from redis.exceptions import RedisError

from orchestrator.driver import Driver
from orchestrator.job_row import JobRow
from orchestrator.lease import Lease
from orchestrator.ledger import LeadershipLost, Ledger
from orchestrator.live_jobs import LiveJob, queue_of
from orchestrator.observation import ControllerMetrics
from orchestrator.redis_client import RedisBytes
from orchestrator.store import Store
from orchestrator.vitals import read_vitals

# A step's end is seen this late at most: little beside a step, and some milliseconds of work each time.
TICK_SECONDS = 0.1
# After Redis failed: long enough not to flood the log, short beside the time that a restart takes.
OUTAGE_PAUSE_SECONDS = 0.5
# Counting reads every job's status.
OBSERVE_SECONDS = 5.0
HOLDS_ENGINE = (JobStatus.RUNNING, JobStatus.PAUSING)

log = structlog.get_logger()


class Controller:
    """Lets one job run at a time, while it holds the lease."""

    def __init__(self, redis: RedisBytes, driver: Driver, metrics: ControllerMetrics) -> None:
        self.redis = redis
        self.driver = driver
        self.watch = driver.watch
        self.metrics = metrics
        self.store = Store(redis)
        self.lease = Lease(redis)
        self._stopping = asyncio.Event()
        self._observed_at = -OBSERVE_SECONDS

    async def run(self) -> None:
        """Tick until `stop`; an outage of Redis is waited out."""
        while not self._stopping.is_set():
            pause = TICK_SECONDS
            try:
                with self.metrics.tick_seconds.time():
                    await self.tick()
            except (RedisError, ConnectionError, LeadershipLost) as error:
                log.warning("controller_interrupted", error=str(error))
                pause = OUTAGE_PAUSE_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
        with suppress(RedisError):
            await self.lease.release()

    def stop(self) -> None:
        """End `run` after the present tick: no write is cut in the middle without need."""
        self._stopping.set()

    async def tick(self) -> None:
        """One look at everything."""
        token = await self.lease.hold()
        if token is None:
            self.metrics.forget()
            return
        ledger = Ledger(self.redis, token)
        live = await self.cancel(ledger, await self.watch.live_jobs())
        active = await self.seat(ledger, live)
        row = await self.store.job(active) if active else None
        if row is not None:
            await self.look_after(ledger, row)
        await self.observe(row)

    async def look_after(self, ledger: Ledger, row: JobRow) -> None:
        """Bring the job that holds the engine one look further, or end it by the name of what makes that impossible."""
        try:
            if row.status == JobStatus.RUNNING:
                await self.driver.drive(ledger, row)
            elif row.status == JobStatus.PAUSING:
                await self.driver.settle(ledger, row)
        except Problem as problem:
            await ledger.end(row.id, JobStatus.FAILED, problem.code, problem.detail)

    async def cancel(self, ledger: Ledger, live: list[LiveJob]) -> list[LiveJob]:
        """End what was asked to end; returns the others. Workers and trainer stop by themselves when they see it."""
        for job in live:
            if job.status == JobStatus.CANCELLING:
                await ledger.end(job.id, JobStatus.CANCELLED)
        return [job for job in live if job.status != JobStatus.CANCELLING]

    async def seat(self, ledger: Ledger, live: list[LiveJob]) -> str | None:
        """The job that holds the student engine: the present one, else the next of the queue."""
        active = await self.watch.active_job()
        if active is not None and all(job.id != active or job.status not in HOLDS_ENGINE for job in live):
            await ledger.release(active)
            active = None
        for job in queue_of(live):
            if active is None and await ledger.claim(job.id):
                active = job.id
            elif job.wait_reason != (reason := f"queue: waiting for {active} to end"):
                await ledger.say(job.id, reason)
        return active

    async def observe(self, row: JobRow | None) -> None:
        """Refresh what the metrics show of the whole system."""
        if time.monotonic() - self._observed_at > OBSERVE_SECONDS:
            self._observed_at = time.monotonic()
            self.metrics.count_jobs(await self.store.statuses())
            self.metrics.show_vitals(await read_vitals(self.redis, row))
