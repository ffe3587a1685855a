"""What a task is: questions, the prompt that shows one, and the check of an answer."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

Message = dict[str, str]
Outcome = Literal["correct", "wrong", "malformed"]


@dataclass(frozen=True)
class Question:
    """`answer` is one of the letters of `options`, or, where there are none, the right answer itself."""

    id: str
    domain: str
    text: str
    answer: str
    options: dict[str, str] = field(default_factory=dict)
    solution: str | None = None  # a worked solution, which a job may show to its teacher


@dataclass(frozen=True)
class Verdict:
    """What the check of an answer says; malformed answers are wrong ones that give none of the required form."""

    outcome: Outcome

    @property
    def correct(self) -> bool:
        """delta of the paper: True earns the raw reward 1."""
        return self.outcome == "correct"


class Task(Protocol):
    """Adding a task is one module with such a class and a TaskKind: a line in tasks.registry, or an entry point."""

    name: str

    def train_questions(self) -> list[Question]:
        """The pool that batches are drawn from, always in the same order."""

    def test_questions(self) -> list[Question]:
        """The held-out questions of every evaluation, always in the same order."""

    def messages(self, question: Question) -> list[Message]:
        """The prompt as chat messages (`role`, `content`): a user turn, after a system turn or alone."""

    def verify(self, question: Question, answer_text: str) -> Verdict:
        """Check one complete answer of the student (paper section 1, delta)."""


@runtime_checkable
class HasSplits(Protocol):
    """A task may hold out more than one set, to tell what the student carries over to what."""

    def splits(self) -> dict[str, list[Question]]:
        """Name -> questions that are in no other set, always in the same order; a job asks them by name."""


def splits_of(task: Task) -> dict[str, list[Question]]:
    """The further held-out sets of a task, none for most."""
    return task.splits() if isinstance(task, HasSplits) else {}
