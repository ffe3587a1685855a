"""What the routes share: their dependencies, cursors and envelopes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from contracts.errors import Problem
from contracts.views import Page
from fastapi import Depends, Query, Request

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


async def job_of(job_id: str, services: Deps) -> JobRow:
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


def as_integer(after: str | None) -> int:
    """A step number used as cursor; 422 otherwise."""
    if after is None:
        return -1
    if not after.isdecimal():
        raise Problem(422, "invalid_request", "after: give the last_id of the page before", field="after")
    return int(after)


def plain(value: Any) -> Any:
    """A msgspec record as dictionaries and lists."""
    return msgspec.to_builtins(value)
