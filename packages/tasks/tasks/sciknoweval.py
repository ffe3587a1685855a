"""SciKnowEval's reasoning questions (HICAI-ZJU) in the split of SDPO and SocraticPO, read from JSON lines.

`<path>/<domain>_train.jsonl` and `<domain>_test.jsonl` hold `{id, domain, split, question, options, answer}`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.base import Question
from tasks.data_roots import find_folder
from tasks.file_task import FileTask, Limit
from tasks.json_lines import read_questions
from tasks.multiple_choice import ChoiceLine
from tasks.verifiers import VERIFIERS, LetterVerifierName

Domain = Literal["biology", "chemistry", "material", "physics"]
HOW_TO_GET = "get the files with `socratic data sciknoweval`"
SYSTEM = (
    "Answer a multiple-choice question about {domain}. Reason first, then give one of the listed letters, in this form:"
)


class SciKnowEvalOptions(BaseModel):
    """Options of the task `sciknoweval`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, Field(min_length=1, description="Folder of the JSON lines, below a data root.")]
    domain: Annotated[Domain, Field(description="Which of the four sets.")]
    verifier: Annotated[LetterVerifierName, Field(description="How the letter is read from an answer.")] = (
        "tolerant_letter"
    )
    train_limit: Limit = None
    test_limit: Limit = None


class SciKnowEvalLine(ChoiceLine):
    """One line of a file."""

    id: Annotated[str, Field(min_length=1)]


def create(options: SciKnowEvalOptions, data_roots: Sequence[Path]) -> FileTask:
    """One domain. Raises Problem 422 for a bad path, a missing file or a bad line."""
    folder = find_folder(options.path, data_roots, "task.options.path", HOW_TO_GET)
    train, test = (_read(folder / f"{options.domain}_{split}.jsonl", options.domain) for split in ("train", "test"))
    system, verifier = SYSTEM.format(domain=options.domain), VERIFIERS[options.verifier]
    return FileTask("sciknoweval", system, verifier, train, test, options.train_limit, options.test_limit)


def _read(file: Path, domain: str) -> list[Question]:
    def question_of(line: SciKnowEvalLine, number: int) -> Question:
        return Question(line.id, domain, line.question, line.answer, dict(line.options))

    return read_questions(file, SciKnowEvalLine, question_of, "task.options.path", HOW_TO_GET)
