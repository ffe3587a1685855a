"""The students that a job may name."""

import asyncio
from typing import Annotated, Any

from contracts.errors import Problem
from contracts.views import Model, Page
from fastapi import APIRouter, Query

from orchestrator.models import find_models
from orchestrator.routes.common import Deps, Limit, Services, page
from orchestrator.validation.students import served_config

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
async def list_models(
    services: Deps,
    after: Annotated[str | None, Query(description="Model id: only later ones.")] = None,
    limit: Limit = 100,
) -> Page[Model]:
    """Base students below the model roots, and the policy versions that jobs of this system have trained; by id."""
    settings = services.validator.settings
    served = await config_that_is_served(services)
    found = await asyncio.to_thread(find_models, settings.model_roots, settings.data_root, served)
    later = [model for model in found if after is None or model.id > after]
    return page(later, [model.id for model in later], limit)


async def config_that_is_served(services: Services) -> dict[str, Any] | None:
    """None where the engine does not tell: the models are listed all the same."""
    try:
        path = await services.neighbours.served_model()
        return await asyncio.to_thread(served_config, path, services.validator.settings.model_roots)
    except Problem:
        return None
