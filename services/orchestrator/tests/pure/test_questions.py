"""No question that is held out is ever trained on, whichever set holds it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from contracts.jobs import TaskSpec
from orchestrator.questions import load_questions
from pydantic import BaseModel
from tasks import registry
from tasks.base import Message, Question, Verdict


def asked(name: str, text: str) -> Question:
    return Question(name, "d", text, "1")


class NoOptions(BaseModel):
    pass


class Overlapping:
    """Its held-out set repeats the second training question, its split `far` the third."""

    name = "overlapping"

    def train_questions(self) -> list[Question]:
        return [asked(f"train-{text}", text) for text in ("one", "two", "three", "four")]

    def test_questions(self) -> list[Question]:
        return [asked("test-two", "two"), asked("test-five", "five")]

    def splits(self) -> dict[str, list[Question]]:
        return {"far": [asked("far-three", "three")]}

    def messages(self, question: Question) -> list[Message]:
        return [{"role": "user", "content": question.text}]

    def verify(self, question: Question, answer_text: str) -> Verdict:
        return Verdict("wrong")


@pytest.fixture
def overlapping(monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskSpec]:
    """The task among those that are known."""

    def create(options: NoOptions, roots: Sequence[Path]) -> Overlapping:
        return Overlapping()

    kind = registry.TaskKind("overlapping", "Repeats itself.", NoOptions, create)
    monkeypatch.setattr(registry, "BUILT_IN", (*registry.BUILT_IN, kind))
    registry.kinds.cache_clear()
    yield TaskSpec(name="overlapping")
    registry.kinds.cache_clear()


def test_what_any_held_out_set_repeats_is_left_out_of_training(overlapping: TaskSpec) -> None:
    questions = load_questions(overlapping, [])
    assert questions.train_ids == ["train-one", "train-four"]
    assert (questions.test_ids, questions.split_ids) == (["test-two", "test-five"], {"far": ["far-three"]})
    assert [question.id for question in questions.held_out] == ["test-two", "test-five", "far-three"]
