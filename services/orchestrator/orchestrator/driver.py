"""Drives the running job by the rules of schedule.py: opens, hands out and records what is missing."""

import asyncio
import time
from typing import Protocol

import structlog
from contracts.episodes import Purpose
from contracts.errors import Problem
from contracts.statuses import JobStatus

from orchestrator.aggregate import evaluation_record
from orchestrator.curriculum import Curriculum
from orchestrator.deadlines import Patience, deadline_of
from orchestrator.job_row import JobRow
from orchestrator.ledger import Ledger
from orchestrator.observation import ControllerMetrics
from orchestrator.openings import evaluation_manifest, train_manifest
from orchestrator.questions import QuestionShelf
from orchestrator.schedule import (
    JobState,
    OpenBatch,
    evaluation_due,
    is_finished,
    steps_to_open,
    to_roll_out,
    waiting_for,
)
from orchestrator.settings import OrchestratorSettings
from orchestrator.watch import Watch

# Workers stop within seconds, a trainer when its update is done, which takes minutes for a large model. Whoever is
# frozen for longer finds, when it comes back, that the job is not running or has taken another seat.
PAUSE_SECONDS = 900.0

log = structlog.get_logger()


class Sender(Protocol):
    """Hands a chunk to the rollout workers."""

    def send(self, job_id: str, purpose: Purpose, step: int, chunk: int) -> None:
        """Blocks for some seconds at most; raises ConnectionError when the broker does not answer."""


class Driver:
    """Knows no leadership: each call gets the ledger under which it may write."""

    def __init__(
        self,
        watch: Watch,
        settings: OrchestratorSettings,
        sender: Sender,
        shelf: QuestionShelf,
        metrics: ControllerMetrics,
    ) -> None:
        self.watch = watch
        self.settings = settings
        self.sender = sender
        self.shelf = shelf
        self.metrics = metrics
        self.patience = Patience()
        self.curriculum = Curriculum(watch.batches)

    async def drive(self, ledger: Ledger, row: JobRow) -> None:
        """Bring a running job one look further. Raises the Problem for which it cannot go on."""
        state = await self.watch.state(row)
        if await self.open_what_is_due(ledger, row, state):
            state = await self.watch.state(row)
        if state.evaluation is not None and state.evaluation.complete:
            await self.record_evaluation(ledger, row, state.evaluation)
            return
        if is_finished(state):
            await ledger.end(row.id, JobStatus.SUCCEEDED)
            return
        for batch in to_roll_out(state):
            await self.hand_out(ledger, row.id, batch, state.workers_alive)
        await self.report(ledger, row, state)

    async def open_what_is_due(self, ledger: Ledger, row: JobRow, state: JobState) -> bool:
        """Freeze the manifests that are due. Raises a Problem when the job's data is gone."""
        version = evaluation_due(row.spec, state.policy_version, state.evaluated)
        evaluation = version if state.evaluation is None else None
        steps = steps_to_open(state)
        if evaluation is None and not steps:
            return False
        questions = await self.shelf.of(row.id, row.spec.task)
        if evaluation is not None:
            held_out = evaluation_manifest(row.id, row.spec, questions.test_ids, questions.split_ids, evaluation)
            await ledger.open_manifest(held_out)
        for step in steps:
            resting = await self.curriculum.resting(row.id, row.spec, step)
            await ledger.open_manifest(train_manifest(row.id, row.spec, questions.train_ids, step, resting))
        return True

    async def record_evaluation(self, ledger: Ledger, row: JobRow, batch: OpenBatch) -> None:
        """Turn the episodes of a complete evaluation into its record. Raises a Problem when not one completed."""
        questions = await self.shelf.of(row.id, row.spec.task)
        episodes = await self.watch.batches.of_step(row.id, "eval", batch.step)
        failures = [episode.failure for episode in episodes if episode.failure is not None]
        if len(failures) == len(episodes):
            detail = f"No question of the evaluation of policy {batch.step} could be completed: {failures[0].detail}"
            raise Problem(500, f"evaluation_failed_{failures[0].code}", detail)
        samples = row.spec.evaluation.samples
        record = evaluation_record(batch.step, episodes, questions.domains, samples, questions.split_ids)
        await ledger.record_evaluation(row.id, record)
        self.metrics.show_evaluation(record)

    async def hand_out(self, ledger: Ledger, job_id: str, batch: OpenBatch, workers_alive: bool) -> None:
        """Send the chunks that nobody works on. Nothing is sent twice without workers, nor while the queue holds chunks
        that they are too busy to take: messages would only pile up."""
        dues = await self.watch.due_chunks(job_id, batch)
        may_repeat = bool(dues) and workers_alive and not await self.watch.chunks_wait()
        for due in dues:
            if due.again and not may_repeat:
                continue
            await asyncio.to_thread(self.sender.send, job_id, batch.purpose, batch.step, due.chunk)
            await ledger.note_dispatch(job_id, batch.purpose, batch.step, due.chunk)
            if due.again:
                log.info("chunk_redispatched", job_id=job_id, purpose=batch.purpose, step=batch.step, chunk=due.chunk)
                self.metrics.redispatches.labels(batch.purpose).inc()
                await ledger.tell_redispatch(job_id, batch.purpose, batch.step, due.chunk, due.missing)

    async def settle(self, ledger: Ledger, row: JobRow) -> None:
        """Let a pausing job come to rest: it is paused when neither workers nor trainer are at it any more.

        Raises a Problem when its spec cannot be read.
        """
        at_work = await self.watch.at_work(row)
        waited = self.patience.waited((row.id, row.seat, "pausing"), time.monotonic())
        if at_work is not None and waited < PAUSE_SECONDS:
            text = f"pausing: {at_work} stop at the next clean point"
            if row.wait_reason != text:
                await ledger.say(row.id, text)
            return
        for batch in await self.watch.open_batches(row):
            await ledger.forget_dispatch(row.id, batch.purpose, batch.step)
        await ledger.rest(row)

    async def report(self, ledger: Ledger, row: JobRow, state: JobState) -> None:
        """Show what the job waits for, and fail it when that has taken too long."""
        wait = waiting_for(state)
        if row.wait_reason != wait.text:
            await ledger.say(row.id, wait.text)
        waited = self.patience.waited((row.id, row.seat, wait.kind, wait.mark), time.monotonic())
        deadline = deadline_of(wait, row.spec, self.settings)
        if waited > deadline.seconds:
            detail = f"{wait.text}: no progress for {waited:.0f} s; {deadline.advice}."
            await ledger.end(row.id, JobStatus.FAILED, deadline.code, detail)
