"""What queues up, what memory Redis takes, and how much of its budget the running job has used. Reads only."""

from dataclasses import dataclass

from contracts import keys
from contracts.budgets import Caps
from contracts.jobs import JobSpec

from orchestrator.job_row import JobRow
from orchestrator.redis_client import RedisBytes
from orchestrator.rollout.dispatch import queue_key

# A cap, its field of a spending hash, and what one unit of the cap is there (the ledger counts nano-USD).
DIMENSIONS = {"usd": ("held_nanos", 10**9), "tokens": ("held_tokens", 1), "requests": ("held_requests", 1)}


@dataclass(frozen=True)
class Vitals:
    """`budget_used` is the largest share of a cap, calls in flight included; None without a cap."""

    queued_chunks: int
    backlog_episodes: int
    redis_bytes: int
    budget_used: float | None


async def read_vitals(redis: RedisBytes, row: JobRow | None) -> Vitals:
    """`row` is the job that holds the student engine."""
    return Vitals(
        queued_chunks=int(await redis.llen(queue_key())),
        backlog_episodes=0 if row is None else await backlog(redis, row.id),
        redis_bytes=int((await redis.info("memory"))["used_memory"]),
        budget_used=None if row is None else await budget_used(redis, row),
    )


async def backlog(redis: RedisBytes, job_id: str) -> int:
    """Training episodes that arrived and are in no committed checkpoint yet."""
    stream = keys.stream(job_id, "train")
    groups = await redis.xinfo_groups(stream) if await redis.exists(stream) else []
    # Redis 6.2 does not tell the lag: there, what the trainer has not even read yet is left out.
    return sum(int(group["pending"]) + int(group.get("lag") or 0) for group in groups)


async def budget_used(redis: RedisBytes, row: JobRow) -> float | None:
    """The largest share of the job's caps that its teacher calls hold."""
    caps: Caps | None = row.stored.teacher.budget if isinstance(row.stored, JobSpec) else None
    if caps is None:
        return None
    spending = await redis.hgetall(keys.spending(f"job:{row.id}"))
    shares = [
        int(spending.get(field.encode(), 0)) / (cap * unit)
        for name, (field, unit) in DIMENSIONS.items()
        if (cap := getattr(caps, name))
    ]
    return max(shares, default=None)
