"""The controller's writes: atomic, once however often they are tried, and refused to a former leader."""

import time
from typing import Any, Literal

import structlog
from contracts import keys
from contracts.episodes import Purpose
from contracts.events import ChunkRedispatched, EvaluationFinished, ManifestOpened, StatusChanged, encode_event
from contracts.manifests import Manifest, encode_manifest
from contracts.records import EvaluationRecord
from contracts.scripts import TRANSITION
from contracts.statuses import JobStatus
from contracts.transitions import error_field, transition
from redis.exceptions import ResponseError

from orchestrator.job_row import JobRow
from orchestrator.lease import CONTROLLER
from orchestrator.redis_client import RedisBytes

# The last key and argument of every script below: a leader that was frozen and came back may not write any more.
FENCED = "FENCED"
CHECK_FENCE = f"""
if redis.call('GET', KEYS[#KEYS]) ~= ARGV[#ARGV] then return redis.error_reply('{FENCED} another controller leads') end
"""
# KEYS: active job, job, events. ARGV: job id, time, event. Returns 1 when the queued job now holds the student engine.
CLAIM = """
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HGET', KEYS[2], 'status') ~= 'queued' then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'status', 'running', 'updated_at', ARGV[2], 'wait_reason', 'controller: taking the job up')
redis.call('HSETNX', KEYS[2], 'started_at', ARGV[2])
redis.call('HINCRBY', KEYS[2], 'seat', 1)
redis.call('XADD', KEYS[3], '*', 'event', ARGV[3])
return 1
"""
# KEYS: active job. ARGV: job id.
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
# KEYS: record, events. ARGV: hash field ('' for a plain string), value, event.
WRITE_ONCE = """
local new = ARGV[1] == '' and redis.call('SETNX', KEYS[1], ARGV[2]) or
            ARGV[1] ~= '' and redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
if new == 1 then redis.call('XADD', KEYS[2], '*', 'event', ARGV[3]) end
return new
"""

log = structlog.get_logger()


class LeadershipLost(Exception):
    """Another controller has taken over; this one must not write."""


class Ledger:
    """Writes under one leadership, named by its fencing token."""

    def __init__(self, redis: RedisBytes, token: int) -> None:
        self.redis = redis
        self.token = token

    async def claim(self, job_id: str) -> bool:
        """Let a queued job run when no other does."""
        now = time.time()
        event = encode_event(StatusChanged(at=now, status=JobStatus.RUNNING))
        names = [keys.active_job(), keys.job(job_id), keys.events(job_id)]
        claimed = bool(await self._run(CLAIM, names, job_id, repr(now), event))
        if claimed:
            log.info("job_started", job_id=job_id)
        return claimed

    async def release(self, job_id: str) -> None:
        """Give the student engine free."""
        await self._run(RELEASE, [keys.active_job()], job_id)

    async def end(
        self,
        job_id: str,
        target: Literal[JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED],
        code: str = "",
        detail: str = "",
    ) -> bool:
        """End a job, where the transition table allows it, and give the engine free."""
        step = transition(job_id, target, time.time(), detail, error=error_field(code, detail) if code else "")
        changed, _ = await self._run(TRANSITION, step.keys, *step.arguments)
        await self.release(job_id)
        if changed:
            log.info("job_ended", job_id=job_id, status=target, code=code, detail=detail)
        return bool(changed)

    async def rest(self, row: JobRow) -> bool:
        """Set a pausing job to paused and give the engine free; what was handed out is handed out anew on resume."""
        waits = {"wait_reason": f"paused ({row.pause_reason}): {row.pause_detail}"}
        step = transition(row.id, JobStatus.PAUSED, time.time(), row.pause_reason or "", fields=waits)
        changed, _ = await self._run(TRANSITION, step.keys, *step.arguments)
        await self.release(row.id)
        if changed:
            log.info("job_paused", job_id=row.id, reason=row.pause_reason)
        return bool(changed)

    async def forget_dispatch(self, job_id: str, purpose: Purpose, step: int) -> None:
        """Count no chunk of a batch as handed out."""
        await self.redis.delete(keys.dispatched(job_id, purpose, step))

    async def open_manifest(self, manifest: Manifest) -> bool:
        """Freeze a manifest; False when it was frozen before."""
        opened = ManifestOpened(
            at=time.time(),
            purpose=manifest.purpose,
            step=manifest.step,
            policy_version=manifest.policy_version,
            episodes=len(manifest.entries),
        )
        names = [keys.manifest(manifest.job_id, manifest.purpose, manifest.step), keys.events(manifest.job_id)]
        return bool(await self._run(WRITE_ONCE, names, "", encode_manifest(manifest), encode_event(opened)))

    async def record_evaluation(self, job_id: str, record: EvaluationRecord) -> bool:
        """Keep an evaluation's result; False when there was one."""
        finished = encode_event(EvaluationFinished(at=time.time(), record=record))
        names = [keys.evaluations(job_id), keys.events(job_id)]
        return bool(await self._run(WRITE_ONCE, names, str(record.step), record.model_dump_json(), finished))

    async def note_dispatch(self, job_id: str, purpose: Purpose, step: int, chunk: int) -> None:
        """Remember when a chunk was handed out."""
        await self.redis.hset(keys.dispatched(job_id, purpose, step), str(chunk), repr(time.time()))

    async def tell_redispatch(self, job_id: str, purpose: Purpose, step: int, chunk: int, missing: int) -> None:
        """Tell the user that episodes were handed out again."""
        event = ChunkRedispatched(at=time.time(), purpose=purpose, step=step, chunk=chunk, missing=missing)
        await self.redis.xadd(keys.events(job_id), {"event": encode_event(event)})

    async def say(self, job_id: str, wait_reason: str) -> None:
        """Show what the job waits for."""
        await self.redis.hset(keys.job(job_id), "wait_reason", wait_reason)

    async def _run(self, script: str, names: list[str], *arguments: str | bytes) -> Any:
        names = [*names, keys.fence(CONTROLLER)]
        try:
            return await self.redis.eval(CHECK_FENCE + script, len(names), *names, *arguments, str(self.token))
        except ResponseError as error:
            if FENCED in str(error):
                raise LeadershipLost(str(error)) from error
            raise
