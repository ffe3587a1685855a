"""SciKnowEval's reasoning questions (HICAI-ZJU) in the split of SDPO and SocraticPO, read from JSON lines.

`<path>/<domain>_train.jsonl` and `<domain>_test.jsonl` hold `{id, domain, split, question, options, answer}`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from contracts.errors import Problem, invalid
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tasks.base import Message, Question, Verdict
from tasks.data_roots import find_folder
from tasks.letters import CHECKERS, CheckerName

Domain = Literal["biology", "chemistry", "material", "physics"]
Letter = Annotated[str, StringConstraints(pattern="^[A-Z]$")]
Limit = Annotated[int | None, Field(ge=1, description="Use only the first so many questions; all by default.")]
HOW_TO_GET = "get the files with `socratic data sciknoweval`"

# Tags on lines of their own satisfy both checkers.
SYSTEM = """\
Answer a multiple-choice question about {domain}. Reason first, then give one of the listed letters, in this form:
<reasoning>
...
</reasoning>
<answer>
X
</answer>"""
REQUEST = "Please reason step by step."


class SciKnowEvalOptions(BaseModel):
    """Options of the task `sciknoweval`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, Field(min_length=1, description="Folder of the JSON lines, below a data root.")]
    domain: Annotated[Domain, Field(description="Which of the four sets.")]
    checker: Annotated[CheckerName, Field(description="How the letter is read from an answer.")] = "tolerant_letter"
    train_limit: Limit = None
    test_limit: Limit = None


class Item(BaseModel):
    """One line of a file; members that the task does not use are ignored."""

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    options: Annotated[dict[Letter, str], Field(min_length=2)]
    answer: str

    @model_validator(mode="after")
    def answer_is_listed(self) -> Self:
        if self.answer not in self.options:
            raise ValueError(f"answer {self.answer!r} is none of the options {', '.join(self.options)}")
        return self


class SciKnowEvalTask:
    """One domain. A training question that the test set repeats is left out of training."""

    name = "sciknoweval"

    def __init__(self, options: SciKnowEvalOptions, data_roots: Sequence[Path]) -> None:
        """Reads both files. Raises Problem 422 for a bad path, a missing file or a bad line."""
        folder = find_folder(options.path, data_roots, "task.options.path", HOW_TO_GET)
        self.options = options
        self._test = _load(folder / f"{options.domain}_test.jsonl", options.domain)[: options.test_limit]
        tested = {(question.text, tuple(question.options.items())) for question in self._test}
        train = _load(folder / f"{options.domain}_train.jsonl", options.domain)
        kept = [question for question in train if (question.text, tuple(question.options.items())) not in tested]
        self._train = kept[: options.train_limit]

    def train_questions(self) -> list[Question]:
        return self._train

    def test_questions(self) -> list[Question]:
        return self._test

    def messages(self, question: Question) -> list[Message]:
        """A system turn with the form of the answer; a user turn with question, options and the request to reason."""
        listed = "\n".join(f"{letter}: {text}" for letter, text in question.options.items())
        return [
            {"role": "system", "content": SYSTEM.format(domain=question.domain)},
            {"role": "user", "content": f"{question.text}\n\n{listed}\n\n{REQUEST}"},
        ]

    def verify(self, question: Question, answer_text: str) -> Verdict:
        return CHECKERS[self.options.checker](answer_text, question.answer, question.options)


def _load(file: Path, domain: str) -> list[Question]:
    """All questions of a file in its order. Raises Problem 422 that names file and line."""
    if not file.is_file():
        raise invalid("task.options.path", f"{file.name} is not in the folder; {HOW_TO_GET}")
    questions: dict[str, Question] = {}
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            question = _parse(line, domain, where=f"{file.name}, line {number}")
            if question.id in questions:
                raise _bad_line(f"{file.name}, line {number}", f"id {question.id!r} occurs twice")
            questions[question.id] = question
    if not questions:
        raise invalid("task.options.path", f"{file.name} is empty; {HOW_TO_GET}")
    return list(questions.values())


def _parse(line: bytes, domain: str, where: str) -> Question:
    try:
        item = Item.model_validate_json(line)
    except ValidationError as error:
        first: Any = error.errors()[0]
        member = ".".join(str(part) for part in first["loc"])
        raise _bad_line(where, f"{member}: {first['msg']}" if member else first["msg"]) from None
    return Question(item.id, domain, item.question, dict(item.options), item.answer)


def _bad_line(where: str, what: str) -> Problem:
    return invalid("task.options.path", f"{where}: {what}; mend the line or {HOW_TO_GET}")
