"""Every task by name. A new task is one module and one line in KINDS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import Problem, invalid
from pydantic import BaseModel, ValidationError

from tasks.base import Task
from tasks.materials import MaterialsOptions, MaterialsTask
from tasks.sciknoweval import SciKnowEvalOptions, SciKnowEvalTask


@dataclass(frozen=True)
class TaskKind:
    """How to describe a task and make it from checked options and data roots."""

    name: str
    summary: str
    options: type[BaseModel]
    create: Callable[[Any, Sequence[Path]], Task]


_KINDS = (
    TaskKind("materials", "Choose a material from a small table (built in).", MaterialsOptions, MaterialsTask.create),
    TaskKind("sciknoweval", "Science questions with options, from JSON lines.", SciKnowEvalOptions, SciKnowEvalTask),
)
KINDS: dict[str, TaskKind] = {kind.name: kind for kind in _KINDS}


def create_task(name: str, options: dict[str, Any], data_roots: Sequence[Path]) -> Task:
    """A task that is ready to use. Raises Problem 422 that names the wrong field and how to mend it."""
    kind = KINDS.get(name)
    if kind is None:
        raise invalid("task.name", f"unknown task {name!r}; known: {', '.join(KINDS)}")
    try:
        checked = kind.options.model_validate(options)
    except ValidationError as error:
        raise _bad_options(kind, error) from None
    return kind.create(checked, data_roots)


def describe_tasks() -> list[dict[str, Any]]:
    """For GET /v1/tasks: name, one line, JSON schema of the options."""
    return [
        {"name": kind.name, "summary": kind.summary, "options": kind.options.model_json_schema()}
        for kind in KINDS.values()
    ]


def _bad_options(kind: TaskKind, error: ValidationError) -> Problem:
    found = [
        {"field": ".".join(["task.options", *(str(part) for part in item["loc"])]), "message": item["msg"]}
        for item in error.errors()
    ]
    allowed = ", ".join(kind.options.model_fields)
    first = found[0]
    detail = f"{first['field']}: {first['message']}; options of {kind.name}: {allowed}"
    return Problem(422, "invalid_request", detail, field=first["field"], errors=found)
