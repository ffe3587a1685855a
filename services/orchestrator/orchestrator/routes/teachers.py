"""The teachers that a job may name, as the gateway tells of them."""

import asyncio

from contracts.system_views import TeacherView
from contracts.views import Page
from fastapi import APIRouter

from orchestrator.routes.common import Deps, page

router = APIRouter(prefix="/v1/teachers", tags=["teachers"])


@router.get("")
async def list_teachers(services: Deps) -> Page[TeacherView]:
    """Each with whether it is available, its limits and budget, what it spent, and its calls at this moment."""
    staff, traffic = await asyncio.gather(services.neighbours.staff(), services.neighbours.traffic())
    teachers = [
        TeacherView.model_validate({**teacher, "traffic": traffic.get(teacher.get("account") or teacher["provider"])})
        for teacher in staff
    ]
    return page(teachers, [teacher.name or teacher.provider for teacher in teachers], len(teachers))
