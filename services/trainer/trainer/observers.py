"""Everyone who hears of progress: the job's events, the metrics, the log, `steps.jsonl`, and TensorBoard."""

import time
from collections.abc import Sequence
from typing import Protocol

import structlog
from contracts.credit import EpisodeCredit
from contracts.events import BatchCold, BatchZeroGradient, Event, StepTrained
from contracts.records import StepRecord

from trainer.meters import Meters
from trainer.store import Store

log = structlog.get_logger()


class StepWriter(Protocol):
    """Keeps step records on disk; told a step again after a crash, it keeps it once."""

    def append(self, record: StepRecord) -> None:
        """Raises OSError."""


class Observers:
    """Of one job."""

    def __init__(self, store: Store, job_id: str, meters: Meters, writers: Sequence[StepWriter]) -> None:
        self.store = store
        self.job_id = job_id
        self.meters = meters
        self.writers = writers

    def tell(self, event: Event) -> None:
        """Something happened."""
        self.store.emit(self.job_id, event)
        self.meters.on_event(event)
        log.info(getattr(event, "type", "event"), **event.model_dump(exclude={"type", "at"}))

    def step_credited(self, step: int, credits: dict[str, EpisodeCredit]) -> None:
        """The learning rule has judged every attempt of the batch."""
        self.store.keep_credits(self.job_id, step, credits)

    def step_trained(self, record: StepRecord) -> None:
        """A step was trained and published. A replayed step is told once only."""
        for writer in self.writers:
            writer.append(record)
        now = time.time()
        events: list[Event] = [StepTrained(at=now, record=record)]
        if record.cold:
            cold_batches = self.store.cold_batches(self.job_id) + 1
            events.append(BatchCold(at=now, step=record.step, cold_batches=cold_batches))
        if record.zero_gradient:
            events.append(BatchZeroGradient(at=now, step=record.step))
        if self.store.announce_step(self.job_id, record, events):
            self.meters.on_step(record)
            log.info("step.trained", **record.model_dump(exclude={"attempts"}))
