"""The attempts of a step: the batch as a grid."""

from typing import Annotated

from contracts.episode_views import EpisodeAttempts
from contracts.views import Page
from fastapi import APIRouter, Query

from orchestrator.attempts import attempt_rows
from orchestrator.routes.common import JOB_PROBLEMS, Deps, JobOfPath, Limit, Step, manifest_of, page, unknown_cursor

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["records"], responses=JOB_PROBLEMS)


@router.get("/steps/{step}/attempts")
async def list_attempts(
    row: JobOfPath,
    services: Deps,
    step: Step,
    after: Annotated[str | None, Query(description="Episode id: only later entries of the manifest.")] = None,
    limit: Limit = 256,
) -> Page[EpisodeAttempts]:
    """Every episode of the step in manifest order with the outcome, rewards and advantage of its attempts."""
    manifest = await manifest_of(row, services, step)
    ids = [entry.episode_id for entry in manifest.entries]
    if after is not None and after not in ids:
        raise unknown_cursor(after)
    start = ids.index(after) + 1 if after else 0
    entries = manifest.entries[start : start + limit + 1]
    wanted = [entry.episode_id for entry in entries]
    episodes = await services.batches.of_ids(row.id, "train", step, wanted)
    credits = await services.batches.credits(row.id, step, wanted)
    return page(attempt_rows(entries, episodes, credits), wanted, limit)
