"""Create, list, show and cancel jobs."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

from contracts.clones import CloneSpec, JobRequest
from contracts.errors import Problem, invalid
from contracts.jobs import JobSpec
from contracts.statuses import TERMINAL, JobStatus, check_transition
from contracts.stored_specs import UnreadableSpec
from contracts.views import Job, Page
from fastapi import APIRouter, Body, Depends, Header, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from servicekit.openapi import links, problems
from servicekit.strict import exact_body

from orchestrator.job_row import JobRow
from orchestrator.progress import job_view
from orchestrator.routes.common import JOB_PROBLEMS, Deps, JobOfPath, Services, page, unknown_cursor
from orchestrator.routes.examples import JOB_REQUESTS
from orchestrator.validation.validator import Findings

# Jobs looked at in one go while a list is filtered by status.
FILTER_JOBS = 100
router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
LINKED = ["get_job", "pause_job", "resume_job", "cancel_job", "list_events", "list_steps", "list_evaluations"]
LINKED += ["get_metrics", "list_checkpoints", "list_episodes"]
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"description": "A dry run: what the checks found.", "model": Findings},
    201: {
        "description": "The job, queued.",
        "headers": {"Location": {"description": "Path of the job.", "schema": {"type": "string"}, "required": True}},
        "links": links({"job_id": "$response.body#/id"}, LINKED),
    },
}


@router.post(
    "",
    status_code=201,
    response_model=Job,
    responses=CREATED | problems(409),
    dependencies=[Depends(exact_body(JobRequest))],
)
async def create_job(
    wanted: Annotated[JobRequest, Body(openapi_examples=JOB_REQUESTS)],
    services: Deps,
    response: Response,
    dry_run: Annotated[bool, Query(description="Only check; answers 200 with what was found.")] = False,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, description="The same key never makes a second job.")
    ] = None,
) -> Job | Response:
    """Check a job and queue it: a whole one, or `source_job_id` with `overrides` to clone one.

    `dry_run` only checks. The same Idempotency-Key never makes a second job; with another body it answers 422.
    """
    spec = wanted if isinstance(wanted, JobSpec) else await cloned(services, wanted)
    if dry_run:
        findings = await services.validator.rehearse(spec)
        return JSONResponse(findings.model_dump(mode="json"))
    job_id = await services.store.made_under(idempotency_key) if idempotency_key else None
    if job_id is None:
        await services.validator.check(spec)
        job_id = await services.store.create(spec, idempotency_key)
    row = await services.store.job(job_id)
    if row is None or row.stored != spec:
        detail = "Idempotency-Key: it was used for another job; take a new key for a new job."
        raise Problem(422, "idempotency_key_reused", detail, field="Idempotency-Key")
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return await view(services, row)


async def cloned(services: Services, wanted: CloneSpec) -> JobSpec:
    """The specification that a clone stands for. Raises a 422 Problem for an unknown source or wrong overrides.

    A 409 one for a source whose stored spec is no JSON. Where this version cannot read it, the overrides must mend it.
    """
    source = await services.store.job(wanted.source_job_id)
    if source is None:
        raise invalid("source_job_id", f"there is no job {wanted.source_job_id!r}; GET /v1/jobs lists them")
    try:
        return wanted.spec_from(source.stored)
    except ValidationError as error:
        raise RequestValidationError(
            [{**item, "loc": ("body", "overrides", *item["loc"])} for item in error.errors()]
        ) from None


@router.get("", responses=problems(404))
async def list_jobs(
    services: Deps,
    status: Annotated[JobStatus | None, Query(description="Only jobs of this status.")] = None,
    after: Annotated[str | None, Query(description="Job id: only older jobs.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Largest number of items.")] = 20,
) -> Page[Job]:
    """Jobs, newest first."""
    if after is not None and not await services.store.knows(after):
        raise unknown_cursor(after)
    rows: list[JobRow] = []
    while len(rows) <= limit:
        job_ids = await services.store.newest_ids(after, FILTER_JOBS)
        if not job_ids:
            break
        rows += [row for row in await services.store.jobs(job_ids) if status in (None, row.status)]
        after = job_ids[-1]
    queue = await services.store.queue()
    jobs = [await view(services, row, queue) for row in rows[: limit + 1]]
    return page(jobs, [job.id for job in jobs], limit)


@router.get("/{job_id}", responses=JOB_PROBLEMS)
async def get_job(row: JobOfPath, services: Deps) -> Job:
    """One job with its progress."""
    return await view(services, row)


@router.post("/{job_id}/cancel", status_code=202, responses=problems(404, 409))
async def cancel_job(row: JobOfPath, services: Deps) -> Job:
    """End a job; asking again does nothing, a job that ended by itself answers 409."""
    before = await services.store.cancel(row.id)
    if before in TERMINAL and before != JobStatus.CANCELLED:
        check_transition(before, JobStatus.CANCELLING)
    return await view(services, await services.store.job(row.id) or row)


@router.post("/{job_id}/pause", status_code=202, responses=problems(404, 409))
async def pause_job(row: JobOfPath, services: Deps) -> Job:
    """Stop a running job at its next clean point and give the engine free; asking again does nothing.

    Episodes that are under way are dropped and made again on resume; those that arrived are kept.
    """
    before = await services.store.pause(row.id)
    if before not in (JobStatus.PAUSING, JobStatus.PAUSED):
        check_transition(before, JobStatus.PAUSING)
    return await view(services, await services.store.job(row.id) or row)


@router.post("/{job_id}/resume", status_code=202, responses=problems(404, 409))
async def resume_job(row: JobOfPath, services: Deps) -> Job:
    """Queue a paused job again, exactly where it stopped; asking again does nothing.

    409 with the field when this version cannot read its spec.
    """
    if row.status not in TERMINAL and isinstance(row.stored, UnreadableSpec):
        raise row.stored.as_problem()
    before = await services.store.resume(row.id)
    if before not in (JobStatus.PAUSING, JobStatus.RUNNING, JobStatus.QUEUED):
        check_transition(before, JobStatus.QUEUED)
    return await view(services, await services.store.job(row.id) or row)


async def view(services: Services, row: JobRow, queue: Sequence[str] | None = None) -> Job:
    """The job as the API shows it; `queue` where it was read already."""
    store = services.store
    queue = await store.queue() if queue is None else queue
    return job_view(row, await store.steps(row.id), await store.evaluations(row.id), queue, time.time())
