"""The built-in task: choose a material from a small table."""

import random
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.base import Question, Verdict
from tasks.drawn import DrawnTask
from tasks.materials.hold_out import HoldOut, Split, Term
from tasks.materials.prompts import PLAIN_SHARE, TERMS, Prompt, draw_asked
from tasks.materials.table import LETTERS, Table, draw_table
from tasks.verifiers import tolerant_letter


class MaterialsOptions(BaseModel):
    """Options of the task `materials`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(ge=0, description="Draws the questions; equal seeds give equal questions.")] = 0
    train_questions: Annotated[int, Field(ge=1, le=1_000_000, description="Size of the training pool.")] = 2000
    test_questions: Annotated[
        int, Field(ge=1, le=100_000, description="Size of the held-out set, and of each further split.")
    ] = 240
    plain_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of training questions in plain words, which the base student answers alone; the others "
            "use terms. Of the held-out ones it is a third.",
        ),
    ] = PLAIN_SHARE
    unseen_terms: Annotated[
        tuple[Term, ...],
        Field(
            max_length=len(TERMS) - 1,
            description="Terms that training never asks, though the base student knows them; adds the split "
            "`unseen_term`.",
        ),
    ] = ()
    unseen_combinations: Annotated[
        bool,
        Field(
            description="Training never asks a term where one letter of its own is the answer (conductor: C); adds the "
            "split `unseen_combination`."
        ),
    ] = False


class MaterialsTask(DrawnTask[MaterialsOptions]):
    """Questions drawn from a seed; no held-out table occurs in training."""

    name = "materials"

    def verify(self, question: Question, answer_text: str) -> Verdict:
        return tolerant_letter(question, answer_text)

    def splits(self) -> dict[str, list[Question]]:
        """The questions of what training leaves out on purpose, by its name."""
        return {split: _questions(split, prompts) for split, prompts in self._split_prompts.items()}

    @cached_property
    def held_out_tables(self) -> frozenset[Table]:
        """What neither training nor a base student may see."""
        return frozenset(prompt.table for prompt in chain(self._test_prompts, *self._split_prompts.values()))

    @cached_property
    def _hold_out(self) -> HoldOut:
        return HoldOut(frozenset(self.options.unseen_terms), self.options.unseen_combinations)

    @cached_property
    def _test_prompts(self) -> list[Prompt]:
        return self._draw("test", self.options.test_questions, None)

    @cached_property
    def _split_prompts(self) -> dict[str, list[Prompt]]:
        return {split: self._draw(split, self.options.test_questions, split) for split in self._hold_out.splits}

    def draw_test(self) -> list[Question]:
        return _questions("test", self._test_prompts)

    def draw_train(self) -> list[Question]:
        share, count = self.options.plain_share, self.options.train_questions
        return _questions("train", self._draw("train", count, None, self.held_out_tables, share))

    def _draw(
        self,
        name: str,
        count: int,
        split: Split | None,
        exclude: frozenset[Table] = frozenset(),
        plain_share: float = PLAIN_SHARE,
    ) -> list[Prompt]:
        # A stream for each set: the test set stays the same whatever is trained on.
        stream = draw_prompts(f"materials/{name}/{self.options.seed}", exclude, plain_share)
        return list(islice((prompt for prompt in stream if self._hold_out.split_of(prompt) == split), count))


def draw_prompts(stream: str, exclude: frozenset[Table], plain_share: float = PLAIN_SHARE) -> Iterator[Prompt]:
    """The questions of a named random stream whose table is not in `exclude`, without end."""
    rng = random.Random(stream)
    while True:
        prompt = Prompt(draw_asked(rng, plain_share), draw_table(rng))
        if prompt.table not in exclude:
            yield prompt


def _questions(split: str, prompts: Iterable[Prompt]) -> list[Question]:
    return [_question(split, index, prompt) for index, prompt in enumerate(prompts)]


def _question(split: str, index: int, prompt: Prompt) -> Question:
    rows = zip(LETTERS, prompt.table.density, prompt.table.gap, strict=True)
    options = {str(letter): f"density {density} , gap {gap}" for letter, density, gap in rows}
    return Question(f"materials-{split}-{index}", "materials", str(prompt), prompt.answer, options)
