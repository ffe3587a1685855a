"""Every task by name: the built-in ones, and those that installed packages offer.

A package offers one by an entry point of the group `socratic.tasks` that names a TaskKind (docs/writing-a-task.md).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from contracts.errors import Problem, invalid
from pydantic import BaseModel, ValidationError

from tasks import multiple_choice, numeric, sciknoweval
from tasks.base import Task
from tasks.materials import MaterialsOptions, MaterialsTask
from tasks.recipes import RecipesOptions, RecipesTask

ENTRY_POINT_GROUP = "socratic.tasks"


@dataclass(frozen=True)
class TaskKind:
    """How to describe a task and make it from checked options and data roots."""

    name: str
    summary: str
    options: type[BaseModel]
    create: Callable[[Any, Sequence[Path]], Task]


BUILT_IN = (
    TaskKind("materials", "Choose a material from a small table (built in).", MaterialsOptions, MaterialsTask.create),
    TaskKind(
        "recipes",
        "Name the ingredients of a recipe, hardly ever right by luck (built in).",
        RecipesOptions,
        RecipesTask.create,
    ),
    TaskKind(
        "sciknoweval",
        "Science questions with options, from JSON lines.",
        sciknoweval.SciKnowEvalOptions,
        sciknoweval.create,
    ),
    TaskKind(
        "multiple_choice",
        "Your own questions with options, from JSON lines.",
        multiple_choice.MultipleChoiceOptions,
        multiple_choice.create,
    ),
    TaskKind(
        "numeric",
        "Questions whose answer is a number, from JSON lines in GSM8K's format.",
        numeric.NumericOptions,
        numeric.create,
    ),
)


@cache
def kinds() -> Mapping[str, TaskKind]:
    """Every task kind by name. Raises Problem 500 for an installed one that cannot be used."""
    found = {kind.name: kind for kind in BUILT_IN}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        kind = _load(point)
        if kind.name in found:
            raise _unusable(point, f"a task {kind.name!r} exists already; rename it")
        found[kind.name] = kind
    return found


def create_task(name: str, options: dict[str, Any], data_roots: Sequence[Path]) -> Task:
    """A task that is ready to use. Raises Problem 422 that names the wrong field and how to mend it."""
    kind = kinds().get(name)
    if kind is None:
        raise invalid("task.name", f"unknown task {name!r}; known: {', '.join(kinds())}")
    try:
        checked = kind.options.model_validate(options)
    except ValidationError as error:
        raise _bad_options(kind, error) from None
    return kind.create(checked, data_roots)


def describe_tasks() -> list[dict[str, Any]]:
    """For GET /v1/tasks: name, one line, JSON schema of the options."""
    return [
        {"name": kind.name, "summary": kind.summary, "options": kind.options.model_json_schema()}
        for kind in kinds().values()
    ]


def _load(point: EntryPoint) -> TaskKind:
    try:
        kind = point.load()
    except (ImportError, AttributeError) as error:
        raise _unusable(point, str(error)) from error
    if not isinstance(kind, TaskKind):
        raise _unusable(point, f"it is a {type(kind).__name__}, not a tasks.registry.TaskKind")
    return kind


def _unusable(point: EntryPoint, why: str) -> Problem:
    package = point.dist.name if point.dist else "an installed package"
    detail = f"The task {point.name!r} of {package} ({point.value}) cannot be used: {why}."
    return Problem(500, "task_unusable", detail)


def _bad_options(kind: TaskKind, error: ValidationError) -> Problem:
    found = [
        {"field": ".".join(["task.options", *(str(part) for part in item["loc"])]), "message": item["msg"]}
        for item in error.errors()
    ]
    allowed = ", ".join(kind.options.model_fields)
    first = found[0]
    detail = f"{first['field']}: {first['message']}; options of {kind.name}: {allowed}"
    return Problem(422, "invalid_request", detail, field=first["field"], errors=found)
