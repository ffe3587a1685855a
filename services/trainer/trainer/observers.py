"""Everyone who hears of progress: the job's events, the metrics, the log, and `steps.jsonl`."""

import time

import structlog
from contracts.events import BatchCold, BatchZeroGradient, Event, StepTrained
from contracts.records import StepRecord

from trainer.archive import StepLog
from trainer.meters import Meters
from trainer.store import Store

log = structlog.get_logger()


class Observers:
    """Of one job."""

    def __init__(self, store: Store, job_id: str, meters: Meters, step_log: StepLog) -> None:
        self.store = store
        self.job_id = job_id
        self.meters = meters
        self.step_log = step_log

    def tell(self, event: Event) -> None:
        """Something happened."""
        self.store.emit(self.job_id, event)
        self.meters.on_event(event)
        log.info(getattr(event, "type", "event"), **event.model_dump(exclude={"type", "at"}))

    def step_trained(self, record: StepRecord) -> None:
        """A step was trained and published. A replayed step is told once only."""
        self.step_log.append(record)
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
