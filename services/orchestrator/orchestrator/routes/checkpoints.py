"""What the trainer keeps of a job on disk."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from contracts.policies import policy_directory
from contracts.views import Checkpoint, Page
from fastapi import APIRouter, Query
from servicekit.openapi import problems

from orchestrator.deletion import check_free, find, readers_of
from orchestrator.job_row import JobRow
from orchestrator.routes.common import JOB_PROBLEMS, AfterStep, Deps, JobOfPath, Limit, Services, Step, page

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
    found = await checkpoints_of(row, services, verify)
    later = [checkpoint for checkpoint in found if checkpoint.step > after]
    return page(later, [str(checkpoint.step) for checkpoint in later], limit)


@router.delete("/checkpoints/{step}", status_code=202, responses=problems(404, 409))
async def delete_checkpoint(row: JobOfPath, step: Step, services: Deps) -> Checkpoint:
    """Have the trainer delete a checkpoint and, unless it is the newest, its policy, within seconds of running.

    Asking again does nothing, and answers 404 once it is gone. 409 for one that is needed: a live job's newest, the one
    that the engine serves for it, or the student of a live job. What came of it is an event of the job.
    """
    found = await checkpoints_of(row, services, verify=False)
    wanted = find(found, step)
    if not wanted.deleting:
        check_free(row, step, found, await readers(row, step, services))
        await services.store.discard(row.id, step)
    return wanted.model_copy(update={"deleting": True})


async def checkpoints_of(row: JobRow, services: Services, verify: bool) -> Sequence[Checkpoint]:
    """Oldest first."""
    evaluations = await services.store.evaluations(row.id)
    accuracies = {record.policy_version: record.unassisted_accuracy for record in evaluations}
    found = await asyncio.to_thread(services.checkpoints.of_job, row.id, row.stored, accuracies, verify)
    going = await services.store.discarded(row.id)
    return [checkpoint.model_copy(update={"deleting": checkpoint.step in going}) for checkpoint in found]


async def readers(row: JobRow, step: int, services: Services) -> list[str]:
    """Live jobs that have the policy of this checkpoint as their student."""
    roots = services.validator.settings.model_roots
    policy = policy_directory(services.checkpoints.data_root, row.id, step)
    return await asyncio.to_thread(readers_of, policy, await services.store.live(), roots)
