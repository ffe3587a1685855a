"""Which checkpoints may be deleted: none that a live job goes on from, serves, or has as its student."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from contracts.errors import Problem
from contracts.statuses import TERMINAL
from contracts.views import Checkpoint

from orchestrator.job_row import JobRow
from orchestrator.validation.students import find_student


def find(found: Sequence[Checkpoint], step: int) -> Checkpoint:
    """Raises a 404 Problem."""
    wanted = next((checkpoint for checkpoint in found if checkpoint.step == step), None)
    if wanted is None:
        steps = ", ".join(str(checkpoint.step) for checkpoint in found) or "none"
        detail = f"There is no checkpoint of step {step}; those that there are: {steps}."
        raise Problem(404, "checkpoint_not_found", detail, field="step")
    return wanted


def check_free(row: JobRow, step: int, found: Sequence[Checkpoint], readers: Sequence[str]) -> None:
    """Raises a 409 Problem that says who needs it. A damaged checkpoint is none to go on from."""
    usable = [checkpoint.step for checkpoint in found if checkpoint.status != "damaged"]
    if readers:
        detail = f"it is the student of {', '.join(readers)}; cancel that or wait for its end, then delete it"
    elif row.status in TERMINAL:
        return
    elif step == max(usable, default=step):
        detail = f"{row.id} would go on from it; cancel the job, or delete it once there is a newer one"
    elif step == row.policy_version:
        detail = f"the student engine serves it for {row.id}; delete it once a newer one is served"
    else:
        return
    raise Problem(409, "checkpoint_needed", f"step {step}: {detail}", field="step")


def readers_of(policy: Path, live: Iterable[JobRow], model_roots: Sequence[Path]) -> list[str]:
    """The jobs whose student lies in this directory. Reads directories: call it in a thread."""
    return [row.id for row in live if student_of(row, model_roots) == policy.resolve()]


def student_of(row: JobRow, model_roots: Sequence[Path]) -> Path | None:
    """None when its directory is gone, or nobody can read which it is."""
    try:
        return find_student(row.student_model, model_roots) if row.student_model else None
    except Problem:
        return None
