"""A job in numbers: training steps and evaluations."""

from typing import Annotated

import msgspec
from contracts.episode_views import ManifestView
from contracts.records import EvaluationRecord, StepRecord
from contracts.system_views import StepOutcomes, StepView
from contracts.views import MetricSeries, Page
from fastapi import APIRouter, Query

from orchestrator.curves import all_series, later_than, thinned
from orchestrator.outcomes import outcomes_of
from orchestrator.routes.common import JOB_PROBLEMS, AfterStep, Deps, JobOfPath, Limit, Step, manifest_of, page

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["records"], responses=JOB_PROBLEMS)


@router.get("/steps")
async def list_steps(row: JobOfPath, services: Deps, after: AfterStep = -1, limit: Limit = 100) -> Page[StepRecord]:
    """Trained steps in order."""
    records = [record for record in await services.store.steps(row.id) if record.step > after]
    return page(records, [str(record.step) for record in records], limit)


@router.get("/steps/{step}")
async def get_step(row: JobOfPath, services: Deps, step: Step) -> StepView:
    """One step: its manifest, how many episodes arrived, and its record (null until it is trained)."""
    manifest = await manifest_of(row, services, step)
    return StepView(
        step=step,
        record=await services.store.step(row.id, step),
        episodes_arrived=await services.batches.arrived(row.id, "train", step),
        manifest=ManifestView.model_validate(msgspec.to_builtins(manifest)),
    )


@router.get("/steps/{step}/outcomes")
async def get_step_outcomes(row: JobOfPath, services: Deps, step: Step) -> StepOutcomes:
    """How every episode of a step ended, in the order of the manifest: one character each.

    The attempt at which it was solved (1 to 9, then a to g), 0 for never, x for an episode that could not be completed
    or has not arrived.
    """
    manifest = await manifest_of(row, services, step)
    episodes = await services.batches.of_step(row.id, "train", step)
    return StepOutcomes(step=step, outcomes=outcomes_of(manifest, episodes))


@router.get("/evaluations")
async def list_evaluations(
    row: JobOfPath, services: Deps, after: AfterStep = -1, limit: Limit = 100
) -> Page[EvaluationRecord]:
    """Finished evaluations in order."""
    records = [record for record in await services.store.evaluations(row.id) if record.step > after]
    return page(records, [str(record.step) for record in records], limit)


@router.get("/metrics")
async def get_metrics(
    row: JobOfPath,
    services: Deps,
    names: Annotated[
        str | None, Query(max_length=2000, description="Comma separated names or beginnings of names; default: all.")
    ] = None,
    after: AfterStep = -1,
    points: Annotated[int, Query(ge=2, le=10_000, description="Most points of a series; more are thinned.")] = 1000,
) -> MetricSeries:
    """Curves: every number of the step and evaluation records by step.

    Names are those of the records: `unassisted_accuracy`, `phase_seconds.update`, `evaluation.guided_accuracy`.
    """
    wanted = tuple(names.split(",")) if names else ("",)
    found = all_series(await services.store.steps(row.id), await services.store.evaluations(row.id))
    shown = {
        name: thinned(later_than(curve, after), points) for name, curve in found.items() if name.startswith(wanted)
    }
    return MetricSeries(job_id=row.id, series=shown)
