"""Waits for a job's end and shows every look at it."""

import time
from collections.abc import Callable

from contracts.errors import Problem
from contracts.statuses import TERMINAL, JobStatus
from contracts.views import Job

from socratic.client import Client

# Quick enough for a live panel, and nothing beside the work of a training step.
POLL_SECONDS = 0.5
# The orchestrator may be restarted under a running job; the supervisor needs seconds for that.
SILENCE_SECONDS = 60.0
# Longer than any deadline of the orchestrator (one hour without a published step): it fails the job first.
STALL_SECONDS = 4200.0


def watch(client: Client, job_id: str, show: Callable[[Job], None], stall_seconds: float = STALL_SECONDS) -> Job:
    """The job once it has ended. Raises Problem when nobody answers any more or nothing about the job changes.

    A paused job may wait for its user as long as it likes.
    """
    seen: Job | None = None
    answered = changed = time.monotonic()
    while True:
        now = time.monotonic()
        try:
            job = client.get(job_id)
        except Problem as problem:
            if problem.status < 500 or now - answered > SILENCE_SECONDS:
                raise
        else:
            answered = now
            if seen is None or job != seen or job.status == JobStatus.PAUSED:
                changed, seen = now, job
            show(job)
            if job.status in TERMINAL:
                return job
            if now - changed > stall_seconds:
                raise stalled(job, stall_seconds)
        time.sleep(POLL_SECONDS)


def stalled(job: Job, seconds: float) -> Problem:
    """Nothing waits for ever."""
    reason = job.wait_reason or job.status
    return Problem(
        504, "stalled", f"{job.id} has not moved for {seconds:.0f} s ({reason}). End it: socratic cancel {job.id}"
    )


def failure_reason(job: Job) -> str:
    """Why a job did not succeed, in the words of the part that gave up."""
    return str((job.error or {}).get("detail") or f"no reason was recorded; see socratic events {job.id}")
