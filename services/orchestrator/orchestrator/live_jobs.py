"""Jobs that have not ended, and the order in which the queued ones take the student engine."""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts import keys
from contracts.statuses import JobStatus

from orchestrator.redis_client import RedisBytes


@dataclass(frozen=True)
class LiveJob:
    """What the queue needs to know of a job."""

    id: str
    status: JobStatus
    wait_reason: str = ""
    priority: int = 0


def queue_of(jobs: Iterable[LiveJob]) -> list[LiveJob]:
    """The queued ones, next first: by priority, then as they are given (oldest first)."""
    return sorted((job for job in jobs if job.status == JobStatus.QUEUED), key=lambda job: -job.priority)


async def read_live_jobs(redis: RedisBytes) -> list[LiveJob]:
    """Oldest first; one that has just ended may still be among them."""
    job_ids = [job_id.decode() for job_id in await redis.zrange(keys.live_jobs(), 0, -1)]
    async with redis.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hmget(keys.job(job_id), "status", "wait_reason", "priority")
        found = await pipe.execute()
    return [
        LiveJob(job_id, JobStatus((status or b"failed").decode()), (reason or b"").decode(), int(priority or 0))
        for job_id, (status, reason, priority) in zip(job_ids, found, strict=True)
    ]
