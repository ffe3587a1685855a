"""Questions whose answer is a number, in GSM8K's format: `{question, answer: "worked solution #### 72"}`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from tasks.base import Question
from tasks.data_roots import find_file
from tasks.file_task import FileOptions, FileTask, System
from tasks.json_lines import read_questions
from tasks.verifiers import number, numeric

MARK = "####"
HOW_TO_GET = 'write one object a line, such as {"question": "...", "answer": "2 + 3 = 5 #### 5"}'
SYSTEM = "Solve the problem. Reason first, then give the result as one number, in this form:"


class NumericOptions(FileOptions):
    """Options of the task `numeric`."""

    system: System = SYSTEM


class NumericLine(BaseModel):
    """One line of a file; members that the task does not use are ignored."""

    id: str | None = None
    domain: str = "questions"
    question: Annotated[str, Field(min_length=1)]
    answer: str

    @model_validator(mode="after")
    def answer_ends_in_a_number(self) -> Self:
        if number(self.result) is None:
            raise ValueError(f"answer must end in a number behind {MARK}, found {self.result[:40]!r}")
        return self

    @property
    def result(self) -> str:
        """What stands behind the last mark, or the whole answer without one."""
        return self.answer.rpartition(MARK)[2].strip()

    @property
    def solution(self) -> str | None:
        """What stands before the last mark."""
        return self.answer.rpartition(MARK)[0].strip() or None


def create(options: NumericOptions, data_roots: Sequence[Path]) -> FileTask:
    """Reads both files. Raises Problem 422 for a bad path, a missing file or a bad line."""
    train, test = (_read(split, path, data_roots) for split, path in (("train", options.train), ("test", options.test)))
    return FileTask("numeric", options.system, numeric, train, test, options.train_limit, options.test_limit)


def _read(split: str, path: str, data_roots: Sequence[Path]) -> list[Question]:
    field = f"task.options.{split}"
    file = find_file(path, data_roots, field, HOW_TO_GET)

    def question_of(line: NumericLine, number: int) -> Question:
        name = line.id or f"{split}-{number}"
        return Question(name, line.domain, line.question, line.result, solution=line.solution)

    return read_questions(file, NumericLine, question_of, field, HOW_TO_GET)
