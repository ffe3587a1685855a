"""Questions read from JSON lines, one object a line; whatever is wrong is named by file and line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from contracts.errors import Problem, invalid
from pydantic import BaseModel, ValidationError

from tasks.base import Question

Line = TypeVar("Line", bound=BaseModel)


def read_questions(
    file: Path, line_type: type[Line], question_of: Callable[[Line, int], Question], field: str, how_to_get: str
) -> list[Question]:
    """All questions of a file in its order; `question_of` takes a checked line and its number, from 1.

    Raises Problem 422 naming `field`, with the file and the line, for an absent or empty file, a bad line or an id that
    occurs twice; `how_to_get` says where good data comes from.
    """
    if not file.is_file():
        raise invalid(field, f"{file.name} is not in the folder; {how_to_get}")
    questions: dict[str, Question] = {}
    for number, line in _numbered(file):
        where = f"{file.name}, line {number}"
        try:
            question = question_of(line_type.model_validate_json(line), number)
        except ValidationError as error:
            raise _bad_line(field, where, _first_complaint(error), how_to_get) from None
        if question.id in questions:
            raise _bad_line(field, where, f"id {question.id!r} occurs twice", how_to_get)
        questions[question.id] = question
    if not questions:
        raise invalid(field, f"{file.name} is empty; {how_to_get}")
    return list(questions.values())


def _numbered(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as lines:
        yield from enumerate(lines, start=1)


def _first_complaint(error: ValidationError) -> str:
    first: Any = error.errors()[0]
    member = ".".join(str(part) for part in first["loc"])
    return f"{member}: {first['msg']}" if member else str(first["msg"])


def _bad_line(field: str, where: str, what: str, how_to_get: str) -> Problem:
    return invalid(field, f"{where}: {what}; mend the line or {how_to_get}")
