"""One cell: submit its job, wait for its end, keep what it left. Everything over REST."""

import time
from collections.abc import Callable

from contracts.errors import Problem
from contracts.records import EvaluationRecord, StepRecord
from contracts.statuses import JobStatus
from contracts.views import Job
from socratic.client import Client
from socratic.watch import failure_reason, watch

from study.collect import evaluation_points, step_points
from study.plan import Cell
from study.records import CellResult, Status

Show = Callable[[Job], None]


def run_cell(client: Client, cell: Cell, show: Show) -> CellResult:
    """The cell's result; a job that failed, or that the orchestrator refuses, is one too.

    Raises Problem when the orchestrator cannot be reached: that says nothing about the cell.
    """
    started_at = time.time()
    try:
        job = watch(client, client.submit(cell.job).id, show)
    except Problem as problem:
        if problem.status >= 500:
            raise
        return result_of(cell, started_at, "failed", reason=problem.detail)
    if job.status != JobStatus.SUCCEEDED:
        return result_of(cell, started_at, "failed", reason=failure_reason(job))
    seconds = time.time() - started_at
    steps, evaluations = client.steps(job.id), client.evaluations(job.id)
    outcomes = [client.outcomes(job.id, record.step) for record in steps]
    finished = result_of(cell, started_at, "succeeded", seconds, steps, evaluations)
    return finished.model_copy(update={"outcomes": outcomes})


def result_of(
    cell: Cell,
    started_at: float,
    status: Status,
    seconds: float | None = None,
    steps: list[StepRecord] | None = None,
    evaluations: list[EvaluationRecord] | None = None,
    reason: str = "",
) -> CellResult:
    """With the cell's own facts."""
    points = step_points(cell.job, steps or [])
    return CellResult(
        plan=cell.plan,
        cell=cell.id,
        experiment=cell.experiment,
        arm=cell.arm,
        student=cell.student,
        seed=cell.seed,
        fingerprint=cell.fingerprint,
        job=cell.job.model_dump(mode="json"),
        started_at=started_at,
        seconds=time.time() - started_at if seconds is None else seconds,
        status=status,
        reason=reason,
        evaluations=evaluation_points(cell.job, evaluations or [], points),
        steps=points,
    )
