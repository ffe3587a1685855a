"""What the trainer keeps of a job on disk."""

import asyncio
from typing import Annotated

from contracts.views import Checkpoint, Page
from fastapi import APIRouter, Query

from orchestrator.routes.common import JOB_PROBLEMS, AfterStep, Deps, JobOfPath, Limit, page

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["checkpoints"], responses=JOB_PROBLEMS)


@router.get("/checkpoints")
async def list_checkpoints(
    row: JobOfPath,
    services: Deps,
    after: AfterStep = -1,
    limit: Limit = 100,
    verify: Annotated[bool, Query(description="Read large checkpoints too, which may take minutes.")] = False,
) -> Page[Checkpoint]:
    """Checkpoints on disk, oldest first, damaged ones too."""
    evaluations = await services.store.evaluations(row.id)
    accuracies = {record.policy_version: record.unassisted_accuracy for record in evaluations}
    found = await asyncio.to_thread(services.checkpoints.of_job, row.id, row.spec, accuracies, verify)
    later = [checkpoint for checkpoint in found if checkpoint.step > after]
    return page(later, [str(checkpoint.step) for checkpoint in later], limit)
