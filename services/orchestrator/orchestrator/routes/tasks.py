"""The tasks that a job may name."""

from contracts.system_views import TaskView
from contracts.views import Page
from fastapi import APIRouter
from tasks.registry import describe_tasks

from orchestrator.routes.common import page

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.get("")
async def list_tasks() -> Page[TaskView]:
    """Name, one line, and the JSON schema of the options of each task."""
    tasks = [TaskView.model_validate(task) for task in describe_tasks()]
    return page(tasks, [task.name for task in tasks], len(tasks))
