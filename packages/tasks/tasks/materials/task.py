"""The built-in task: choose a material from a small table."""

import random
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from tasks.base import Message, Question, Verdict
from tasks.materials.prompts import Prompt, draw_asked
from tasks.materials.table import LETTERS, Table, draw_table
from tasks.verifiers import tolerant_letter


class MaterialsOptions(BaseModel):
    """Options of the task `materials`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(ge=0, description="Draws the questions; equal seeds give equal questions.")] = 0
    train_questions: Annotated[int, Field(ge=1, le=1_000_000, description="Size of the training pool.")] = 2000
    test_questions: Annotated[int, Field(ge=1, le=100_000, description="Size of the held-out set.")] = 240


class MaterialsTask:
    """Questions drawn from a seed; no table of the test set occurs in training."""

    name = "materials"

    def __init__(self, options: MaterialsOptions) -> None:
        self.options = options

    @classmethod
    def create(cls, options: MaterialsOptions, data_roots: Sequence[Path]) -> Self:
        """For the registry; this task reads no files."""
        return cls(options)

    def train_questions(self) -> list[Question]:
        return self._train

    def test_questions(self) -> list[Question]:
        return self._test

    def messages(self, question: Question) -> list[Message]:
        """One user turn: the text holds the table, so the options are not repeated."""
        return [{"role": "user", "content": question.text}]

    def verify(self, question: Question, answer_text: str) -> Verdict:
        return tolerant_letter(question, answer_text)

    @cached_property
    def test_tables(self) -> frozenset[Table]:
        """What neither training nor a base student may see."""
        return frozenset(prompt.table for prompt in self._test_prompts)

    @cached_property
    def _test_prompts(self) -> list[Prompt]:
        # A stream of its own: the test set stays the same whatever the size of the training pool.
        return draw_prompts(f"materials/test/{self.options.seed}", self.options.test_questions, frozenset())

    @cached_property
    def _test(self) -> list[Question]:
        return [_question("test", index, prompt) for index, prompt in enumerate(self._test_prompts)]

    @cached_property
    def _train(self) -> list[Question]:
        stream = f"materials/train/{self.options.seed}"
        prompts = draw_prompts(stream, self.options.train_questions, self.test_tables)
        return [_question("train", index, prompt) for index, prompt in enumerate(prompts)]


def draw_prompts(stream: str, count: int, exclude: frozenset[Table]) -> list[Prompt]:
    """The first `count` questions of a named random stream whose table is not in `exclude`."""
    rng = random.Random(stream)
    prompts: list[Prompt] = []
    while len(prompts) < count:
        prompt = Prompt(draw_asked(rng), draw_table(rng))
        if prompt.table not in exclude:
            prompts.append(prompt)
    return prompts


def _question(split: str, index: int, prompt: Prompt) -> Question:
    rows = zip(LETTERS, prompt.table.density, prompt.table.gap, strict=True)
    options = {str(letter): f"density {density} , gap {gap}" for letter, density, gap in rows}
    return Question(f"materials-{split}-{index}", "materials", str(prompt), prompt.answer, options)
