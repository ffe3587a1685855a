"""Records of trained steps, read once: they never change, and every look at a job asks for all of them."""

from collections import OrderedDict

from contracts import keys
from contracts.records import StepRecord

from orchestrator.redis_client import RedisBytes

# A record takes some kilobytes; jobs that nobody looks at any more make room.
KEPT_JOBS = 8


class StepShelf:
    """Records by job and step, of the jobs that were looked at last. What Redis has lost is forgotten."""

    def __init__(self, redis: RedisBytes) -> None:
        self.redis = redis
        self._kept: OrderedDict[str, dict[bytes, StepRecord]] = OrderedDict()

    async def of(self, job_id: str) -> list[StepRecord]:
        """Every record of a job, in order of the steps."""
        known = self._kept.get(job_id, {})
        steps = await self.redis.hkeys(keys.steps(job_id))
        unread = [step for step in steps if step not in known]
        texts = await self.redis.hmget(keys.steps(job_id), unread) if unread else []
        read = {step: StepRecord.model_validate_json(text) for step, text in zip(unread, texts, strict=True) if text}
        kept = {step: known.get(step) or read[step] for step in steps if step in known or step in read}
        self._keep(job_id, kept)
        return sorted(kept.values(), key=lambda record: record.step)

    def _keep(self, job_id: str, records: dict[bytes, StepRecord]) -> None:
        self._kept[job_id] = records
        self._kept.move_to_end(job_id)
        if len(self._kept) > KEPT_JOBS:
            self._kept.popitem(last=False)
