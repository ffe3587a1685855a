"""What a task is: questions, the prompt that shows one, and the check of an answer."""

from dataclasses import dataclass
from typing import Literal, Protocol

Message = dict[str, str]
Outcome = Literal["correct", "wrong", "malformed"]


@dataclass(frozen=True)
class Question:
    """A multiple-choice question; `answer` is one of the letters of `options`."""

    id: str
    domain: str
    text: str
    options: dict[str, str]
    answer: str


@dataclass(frozen=True)
class Verdict:
    """What the check of an answer says; malformed answers are wrong ones that name no listed letter."""

    outcome: Outcome

    @property
    def correct(self) -> bool:
        """delta of the paper: True earns the raw reward 1."""
        return self.outcome == "correct"


class Task(Protocol):
    """Adding a task is one module with such a class and one line in tasks.registry."""

    name: str

    def train_questions(self) -> list[Question]:
        """The pool that batches are drawn from, always in the same order."""

    def test_questions(self) -> list[Question]:
        """The held-out questions of every evaluation, always in the same order."""

    def messages(self, question: Question) -> list[Message]:
        """The prompt as chat messages (`role`, `content`): a user turn, after a system turn or alone."""

    def verify(self, question: Question, answer_text: str) -> Verdict:
        """Check one complete answer of the student (paper section 1, delta)."""
