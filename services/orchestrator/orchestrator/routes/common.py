"""What the routes share: their dependencies, cursors and envelopes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from contracts.errors import Problem
from contracts.manifests import Manifest
from contracts.views import Page
from fastapi import Depends, Path, Query, Request
from servicekit.openapi import problems

from orchestrator.batches import Batches
from orchestrator.checkpoints import CheckpointShelf
from orchestrator.job_row import JobRow
from orchestrator.neighbours import Neighbours
from orchestrator.questions import QuestionShelf
from orchestrator.store import Store
from orchestrator.token_texts import TokenTexts
from orchestrator.trials import Trials
from orchestrator.validation.validator import Validator

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=1000, description="Largest number of items.")]
JobId = Annotated[str, Path(description="A job's id.", examples=["job-0123456789ab"])]
# Steps are counted in 32 bits at most (`training.steps` is a million), and Redis' and the disk's names stay short.
Step = Annotated[int, Path(ge=0, le=10**9, description="A training step, from 1.", examples=[1])]
AfterStep = Annotated[int, Query(ge=-1, le=10**9, description="A step: only later ones.")]
# Of every operation on one job.
JOB_PROBLEMS = problems(404)


@dataclass(frozen=True)
class Services:
    """What the routes work with; made once in app.py."""

    store: Store
    batches: Batches
    shelf: QuestionShelf
    validator: Validator
    checkpoints: CheckpointShelf
    token_texts: TokenTexts
    neighbours: Neighbours
    trials: Trials


def services_of(request: Request) -> Services:
    """The app's services."""
    services: Services = request.app.state.services
    return services


Deps = Annotated[Services, Depends(services_of)]


async def job_of(job_id: JobId, services: Deps) -> JobRow:
    """The job of the path. Raises a 404 Problem."""
    row = await services.store.job(job_id)
    if row is None:
        raise Problem(404, "job_not_found", f"There is no job {job_id!r}; GET /v1/jobs lists them.", field="job_id")
    return row


JobOfPath = Annotated[JobRow, Depends(job_of)]


def page(items: Sequence[Item], ids: Sequence[str], limit: int) -> Page[Item]:
    """The list envelope of at most `limit` items; one item more than that tells that there are more."""
    shown = list(ids[:limit])
    return Page(
        data=list(items[:limit]),
        has_more=len(items) > limit,
        first_id=shown[0] if shown else None,
        last_id=shown[-1] if shown else None,
    )


async def manifest_of(row: JobRow, services: Services, step: int) -> Manifest:
    """Which episodes make a training step. Raises a 404 Problem while it was not opened."""
    manifest = await services.batches.manifest(row.id, "train", step)
    if manifest is None:
        raise Problem(404, "step_not_found", f"Step {step} of job {row.id} was not opened yet.", field="step")
    return manifest


def unknown_cursor(after: str) -> Problem:
    """The 404 of an `after` that no page has given."""
    detail = f"after: there is no {after[:200]!r} in this list; give the last_id of the page before"
    return Problem(404, "cursor_not_found", detail, field="after")
