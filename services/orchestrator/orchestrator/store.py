"""Jobs, their events and their records in Redis."""

import secrets
import time
from collections.abc import Sequence

from contracts import keys
from contracts.events import EVENT_FIELD, Event, JobCreated, StatusChanged, decode_event, encode_event
from contracts.jobs import JobSpec
from contracts.records import EvaluationRecord, StepRecord
from contracts.scripts import TRANSITION
from contracts.statuses import TERMINAL, JobStatus
from contracts.transitions import Transition, pausing, transition

from orchestrator.job_row import JobRow, new_fields, parse_row
from orchestrator.live_jobs import queue_of, read_live_jobs
from orchestrator.redis_client import RedisBytes
from orchestrator.step_shelf import StepShelf

# Long enough for any client's retries, short enough that keys do not pile up.
IDEMPOTENCY_SECONDS = 7 * 86400

# KEYS: jobs, live jobs, job, events, idempotency. ARGV: id, time, event, idempotency seconds (0: no key),
# then field, value, ... Returns the id of the job that now stands for this request.
CREATE_JOB = """
if ARGV[4] ~= '0' then
  local known = redis.call('GET', KEYS[5])
  if known then return known end
  redis.call('SET', KEYS[5], ARGV[1], 'EX', ARGV[4])
end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('XADD', KEYS[4], '*', 'event', ARGV[3])
return ARGV[1]
"""


class Store:
    """What the API reads and writes."""

    def __init__(self, redis: RedisBytes) -> None:
        self.redis = redis
        self.step_shelf = StepShelf(redis)

    async def create(self, spec: JobSpec, idempotency_key: str | None = None) -> str:
        """Queue a job, or find the one made under the same key; returns its id. One atomic write."""
        job_id, now = f"job-{secrets.token_hex(6)}", time.time()
        created = encode_event(JobCreated(at=now, name=spec.name))
        names = [keys.jobs(), keys.live_jobs(), keys.job(job_id), keys.events(job_id)]
        names.append(keys.idempotency(idempotency_key or "none"))
        fields = [item for pair in new_fields(spec, now).items() for item in pair]
        lifetime = IDEMPOTENCY_SECONDS if idempotency_key else 0
        answer = await self.redis.eval(CREATE_JOB, 5, *names, job_id, repr(now), created, str(lifetime), *fields)
        return str(answer.decode())

    async def made_under(self, idempotency_key: str) -> str | None:
        """The job that this key made before."""
        job_id = await self.redis.get(keys.idempotency(idempotency_key))
        return str(job_id.decode()) if job_id else None

    async def job(self, job_id: str) -> JobRow | None:
        """The job, or None when there is none of this id."""
        fields = await self.redis.hgetall(keys.job(job_id))
        return parse_row(job_id, fields) if b"status" in fields else None

    async def jobs(self, job_ids: Sequence[str]) -> list[JobRow]:
        """The jobs of these ids, in order, without the unknown ones."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(keys.job(job_id))
            found = await pipe.execute()
        return [parse_row(job_id, fields) for job_id, fields in zip(job_ids, found, strict=True) if fields]

    async def newest_ids(self, after: str | None, limit: int) -> list[str]:
        """At most `limit` job ids, newest first, older than `after`."""
        rank = -1 if after is None else await self.redis.zrevrank(keys.jobs(), after)
        if rank is None:
            return []
        found = await self.redis.zrevrange(keys.jobs(), int(rank) + 1, int(rank) + limit)
        return [job_id.decode() for job_id in found]

    async def knows(self, job_id: str) -> bool:
        """There is a job of this id."""
        return await self.redis.zscore(keys.jobs(), job_id) is not None

    async def queue(self) -> list[str]:
        """Ids of the queued jobs, next first."""
        return [job.id for job in queue_of(await read_live_jobs(self.redis))]

    async def live(self) -> list[JobRow]:
        """The jobs that have not ended, oldest first."""
        rows = await self.jobs([job.id for job in await read_live_jobs(self.redis)])
        return [row for row in rows if row.status not in TERMINAL]

    async def discard(self, job_id: str, step: int) -> None:
        """Ask the trainer to delete a checkpoint; asking again does nothing."""
        await self.redis.sadd(keys.discards(), f"{job_id}/{step}")

    async def discarded(self, job_id: str) -> set[int]:
        """Steps whose checkpoints the trainer has still to delete."""
        asked = [member.decode().rsplit("/", 1) for member in await self.redis.smembers(keys.discards())]
        return {int(step) for owner, step in asked if owner == job_id}

    async def statuses(self) -> list[JobStatus]:
        """The status of every job, for the count by status."""
        job_ids = await self.redis.zrange(keys.jobs(), 0, -1)
        async with self.redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(keys.job(job_id.decode()), "status")
            return [JobStatus(status.decode()) for status in await pipe.execute() if status]

    async def cancel(self, job_id: str) -> JobStatus:
        """Ask for the end of a job; returns the status before (unchanged when the table forbids the step)."""
        step = transition(job_id, JobStatus.CANCELLING, time.time(), "cancelled by the user")
        return await self._move(step)

    async def pause(self, job_id: str) -> JobStatus:
        """Ask a running job to pause; returns the status before (unchanged when the table forbids the step)."""
        return await self._move(pausing(job_id, "user", "paused by the user; resume it when you like", time.time()))

    async def resume(self, job_id: str) -> JobStatus:
        """Queue a paused job again, or call off its pausing; returns the status before (unchanged from any other)."""
        cleared = {"pause_reason": "", "pause_detail": "", "wait_reason": ""}
        before = JobStatus.PAUSING
        for source, target in ((JobStatus.PAUSING, JobStatus.RUNNING), (JobStatus.PAUSED, JobStatus.QUEUED)):
            step = transition(job_id, target, time.time(), "resumed by the user", sources=[source], fields=cleared)
            before = await self._move(step)
            if before == source:
                break
        return before

    async def _move(self, step: Transition) -> JobStatus:
        _, before = await self.redis.eval(TRANSITION, len(step.keys), *step.keys, *step.arguments)
        return JobStatus(before.decode())

    async def events(self, job_id: str, after: str | None, limit: int) -> list[tuple[str, Event]]:
        """At most `limit` events newer than the id `after`, oldest first."""
        start = f"({after}" if after else "-"
        entries = await self.redis.xrange(keys.events(job_id), start, "+", limit) or []
        return [(entry_id.decode(), decode_event(fields[EVENT_FIELD.encode()])) for entry_id, fields in entries]

    async def newest_events(self, job_id: str, before: str | None, limit: int) -> list[tuple[str, Event]]:
        """At most `limit` events older than the id `before`, newest first."""
        start = f"({before}" if before else "+"
        entries = await self.redis.xrevrange(keys.events(job_id), start, "-", limit) or []
        return [(entry_id.decode(), decode_event(fields[EVENT_FIELD.encode()])) for entry_id, fields in entries]

    async def steps(self, job_id: str) -> list[StepRecord]:
        """Every trained step, in order."""
        return await self.step_shelf.of(job_id)

    async def step(self, job_id: str, step: int) -> StepRecord | None:
        """One trained step."""
        text = await self.redis.hget(keys.steps(job_id), str(step))
        return StepRecord.model_validate_json(text) if text else None

    async def evaluations(self, job_id: str) -> list[EvaluationRecord]:
        """Every finished evaluation, in order."""
        records = await self.redis.hvals(keys.evaluations(job_id))
        return sorted((EvaluationRecord.model_validate_json(text) for text in records), key=lambda record: record.step)


def ended(event: Event) -> bool:
    """True for the last event of a job."""
    return isinstance(event, StatusChanged) and event.status in TERMINAL
