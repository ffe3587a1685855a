"""A job and its records -> the job as the API shows it. Pure."""

from collections.abc import Sequence
from statistics import median

from contracts.jobs import JobSpec
from contracts.records import EvaluationRecord, StepRecord
from contracts.statuses import TERMINAL, JobStatus
from contracts.stored_specs import UnreadableSpec
from contracts.views import Job, Progress

from orchestrator.job_row import JobRow

# Recent enough to follow the student's changing answer lengths, long enough to smooth a slow step.
ESTIMATE_STEPS = 5


def job_view(
    row: JobRow,
    steps: Sequence[StepRecord],
    evaluations: Sequence[EvaluationRecord],
    queue: Sequence[str],
    now: float,
) -> Job:
    """The answer of GET /v1/jobs/{id}. queue: ids of the queued jobs, next first. now: Unix time, seconds."""
    has_ended = row.status in TERMINAL
    progress = progress_of(row, steps, evaluations)
    is_timed = row.status == JobStatus.RUNNING and progress.seconds_left is not None
    return Job(
        id=row.id,
        name=row.name,
        status=row.status,
        wait_reason=None if has_ended else row.wait_reason,
        pause_reason=row.pause_reason if row.status in (JobStatus.PAUSING, JobStatus.PAUSED) else None,
        queue_position=queue.index(row.id) + 1 if row.status == JobStatus.QUEUED and row.id in queue else None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.updated_at if has_ended else None,
        estimated_finish=now + (progress.seconds_left or 0.0) if is_timed else None,
        error=row.error,
        progress=progress,
        spec=None if isinstance(row.stored, UnreadableSpec) else row.stored,
        unreadable_spec=row.stored if isinstance(row.stored, UnreadableSpec) else None,
    )


def progress_of(row: JobRow, steps: Sequence[StepRecord], evaluations: Sequence[EvaluationRecord]) -> Progress:
    """Where the job stands; `steps` and `evaluations` in order."""
    spec = None if isinstance(row.stored, UnreadableSpec) else row.stored
    progress = Progress(
        step=row.policy_version or 0,
        steps=spec.training.steps if spec else None,
        policy_version=row.policy_version,
        cold_batches=sum(record.cold for record in steps),
        failed_episodes=sum(record.failed_episodes for record in steps)
        + sum(record.failed_episodes for record in evaluations),
        seconds_left=seconds_left(spec, steps, evaluations) if spec and row.status not in TERMINAL else None,
    )
    if steps:
        last = steps[-1]
        progress.unassisted_accuracy = last.unassisted_accuracy
        progress.guided_accuracy = last.guided_accuracy
        progress.decay_factor = last.decay_factor
        progress.episodes_per_second = last.episodes_per_second
        progress.tokens_per_second = last.tokens_per_second
    if evaluations:
        progress.evaluation_step = evaluations[-1].step
        progress.evaluation_unassisted_accuracy = evaluations[-1].unassisted_accuracy
        progress.evaluation_guided_accuracy = evaluations[-1].guided_accuracy
    return progress


def seconds_left(spec: JobSpec, steps: Sequence[StepRecord], evaluations: Sequence[EvaluationRecord]) -> float | None:
    """Remaining steps and evaluations at the pace of the last ones; None before there is any.

    Before the first step, its episodes are expected at the pace of the evaluation's.
    """
    if not steps and not evaluations:
        return None
    evaluation_seconds = evaluations[-1].seconds if evaluations else 0.0
    if steps:
        # The median, for a step that was paused or waited for a lost worker says nothing about the next.
        step_seconds = median(record.seconds for record in steps[-ESTIMATE_STEPS:])
    else:
        step_seconds = evaluation_seconds * spec.episodes_per_step / evaluations[-1].questions
    remaining = range((steps[-1].step if steps else 0) + 1, spec.training.steps + 1)
    unevaluated = [step for step in remaining if spec.evaluates_at(step)]
    return len(remaining) * step_seconds + len(unevaluated) * evaluation_seconds
