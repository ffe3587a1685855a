"""The task that every kind of question file makes: a training pool, held-out questions, a prompt, a verifier."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.base import Message, Question, Verdict
from tasks.verifiers import Verifier

# Tags on lines of their own satisfy the tolerant and the strict letter verifier.
FORM = """\
<reasoning>
...
</reasoning>
<answer>
X
</answer>"""
REQUEST = "Please reason step by step."

DataFile = Annotated[str, Field(min_length=1)]
System = Annotated[str, Field(min_length=1, description="System turn; the form of an answer is put below it.")]
Limit = Annotated[int | None, Field(ge=1, description="Use only the first so many questions; all by default.")]


class FileOptions(BaseModel):
    """Options of a task whose questions are two files of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: Annotated[DataFile, Field(description="JSON lines of the training pool, below a data root.")]
    test: Annotated[DataFile, Field(description="JSON lines of the held-out questions, below a data root.")]
    train_limit: Limit = None
    test_limit: Limit = None


class FileTask:
    """Questions of a training and a test file, shown and checked in one way."""

    def __init__(
        self,
        name: str,
        system: str,
        verifier: Verifier,
        train: Sequence[Question],
        test: Sequence[Question],
        train_limit: int | None,
        test_limit: int | None,
    ) -> None:
        self.name = name
        self.system = f"{system}\n{FORM}"
        self.verifier = verifier
        self._train = list(train[:train_limit])
        self._test = list(test[:test_limit])

    def train_questions(self) -> list[Question]:
        return self._train

    def test_questions(self) -> list[Question]:
        return self._test

    def messages(self, question: Question) -> list[Message]:
        """A system turn with the form of the answer; a user turn with question, options and the request to reason."""
        listed = "\n".join(f"{letter}: {text}" for letter, text in question.options.items())
        user = "\n\n".join(part for part in (question.text, listed, REQUEST) if part)
        return [{"role": "system", "content": self.system}, {"role": "user", "content": user}]

    def verify(self, question: Question, answer_text: str) -> Verdict:
        return self.verifier(question, answer_text)
