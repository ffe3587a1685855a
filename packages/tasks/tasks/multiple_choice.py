"""Any multiple-choice questions from JSON lines: `{question, options, answer}`, with `id` and `domain` if there are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from tasks.base import Question
from tasks.data_roots import find_file
from tasks.file_task import FileOptions, FileTask, System
from tasks.json_lines import read_questions
from tasks.verifiers import VERIFIERS, LetterVerifierName

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Letter = Annotated[str, StringConstraints(pattern="^[A-Z]$")]
HOW_TO_GET = 'write one object a line, such as {"question": "...", "options": {"A": "...", "B": "..."}, "answer": "A"}'
SYSTEM = "Answer a multiple-choice question. Reason first, then give one of the listed letters, in this form:"


class MultipleChoiceOptions(FileOptions):
    """Options of the task `multiple_choice`."""

    verifier: Annotated[LetterVerifierName, Field(description="How the letter is read from an answer.")] = (
        "tolerant_letter"
    )
    system: System = SYSTEM


class ChoiceLine(BaseModel):
    """One line of a file; other members are ignored. A list of options gets the letters A, B, C ..."""

    id: str | None = None
    domain: str = "questions"
    question: Annotated[str, Field(min_length=1)]
    options: Annotated[dict[Letter, str], Field(min_length=2)]
    answer: str

    @field_validator("options", mode="before")
    @classmethod
    def listed_options_get_letters(cls, options: Any) -> Any:
        if isinstance(options, list) and len(options) <= len(LETTERS):
            return dict(zip(LETTERS, options, strict=False))
        return options

    @model_validator(mode="after")
    def answer_is_listed(self) -> Self:
        if self.answer not in self.options:
            raise ValueError(f"answer {self.answer!r} is none of the options {', '.join(self.options)}")
        return self


def create(options: MultipleChoiceOptions, data_roots: Sequence[Path]) -> FileTask:
    """Reads both files. Raises Problem 422 for a bad path, a missing file or a bad line."""
    train, test = (_read(split, path, data_roots) for split, path in (("train", options.train), ("test", options.test)))
    verifier = VERIFIERS[options.verifier]
    return FileTask("multiple_choice", options.system, verifier, train, test, options.train_limit, options.test_limit)


def _read(split: str, path: str, data_roots: Sequence[Path]) -> list[Question]:
    field = f"task.options.{split}"
    file = find_file(path, data_roots, field, HOW_TO_GET)

    def question_of(line: ChoiceLine, number: int) -> Question:
        name = line.id or f"{split}-{number}"
        return Question(name, line.domain, line.question, line.answer, dict(line.options))

    return read_questions(file, ChoiceLine, question_of, field, HOW_TO_GET)
