"""The tasks that a job may name."""

from typing import Any

from contracts.views import Page
from fastapi import APIRouter
from tasks.registry import describe_tasks

from orchestrator.routes.common import page

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.get("")
async def list_tasks() -> Page[dict[str, Any]]:
    """Name, one line, and the JSON schema of the options of each task."""
    tasks = describe_tasks()
    return page(tasks, [task["name"] for task in tasks], len(tasks))
