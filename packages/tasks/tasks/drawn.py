"""What the built-in tasks share: questions drawn from a seed, each shown as one user turn, and no files."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Generic, Self, TypeVar

from pydantic import BaseModel

from tasks.base import Message, Question

Options = TypeVar("Options", bound=BaseModel)


class DrawnTask(Generic[Options]):
    """The two sets are drawn when they are first asked for."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @classmethod
    def create(cls, options: Options, data_roots: Sequence[Path]) -> Self:
        """For the registry; such a task reads no files."""
        return cls(options)

    def draw_train(self) -> list[Question]:
        """What training asks; equal options give equal questions."""
        raise NotImplementedError

    def draw_test(self) -> list[Question]:
        """What is held out."""
        raise NotImplementedError

    def train_questions(self) -> list[Question]:
        return self._train

    def test_questions(self) -> list[Question]:
        return self._test

    def messages(self, question: Question) -> list[Message]:
        """One user turn: the text holds all that is needed to answer, so options are not repeated."""
        return [{"role": "user", "content": question.text}]

    @cached_property
    def _train(self) -> list[Question]:
        return self.draw_train()

    @cached_property
    def _test(self) -> list[Question]:
        return self.draw_test()
