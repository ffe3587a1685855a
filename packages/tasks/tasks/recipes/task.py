"""The built-in task `recipes`: name the ingredients of a recipe in order."""

import random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.base import Question, Verdict
from tasks.drawn import DrawnTask
from tasks.recipes.book import MOST_INGREDIENTS, numbered
from tasks.recipes.orders import Order, draw_order
from tasks.verifiers import exact

TAUGHT_SHARE = 1 / 3


class RecipesOptions(BaseModel):
    """Options of the task `recipes`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(ge=0, description="Draws the questions; the recipes are always the same.")] = 0
    ingredients: Annotated[
        int,
        Field(ge=1, le=MOST_INGREDIENTS, description="Of a recipe; a guess is right once in 8 to this power."),
    ] = 3
    taught_share: Annotated[
        float, Field(ge=0, le=1, description="Share of training questions about recipes that the base student knows.")
    ] = TAUGHT_SHARE
    train_questions: Annotated[int, Field(ge=1, le=1_000_000, description="Size of the training pool.")] = 2000
    test_questions: Annotated[int, Field(ge=1, le=100_000, description="Size of the held-out set.")] = 240


class RecipesTask(DrawnTask[RecipesOptions]):
    """Questions drawn from a seed, in the domains `taught` and `new`; no held-out batch occurs in training."""

    name = "recipes"

    def verify(self, question: Question, answer_text: str) -> Verdict:
        """Every ingredient in its place; there are no partial marks."""
        return exact(question, answer_text)

    def draw_train(self) -> list[Question]:
        return self._draw("train", self.options.train_questions, self.options.taught_share)

    def draw_test(self) -> list[Question]:
        # A third of it whatever is trained on, so that accuracies compare.
        return self._draw("test", self.options.test_questions, TAUGHT_SHARE)

    def _draw(self, split: str, count: int, taught_share: float) -> list[Question]:
        rng = random.Random(f"recipes/{split}/{self.options.seed}")
        orders = [draw_order(rng, self.options.ingredients, taught_share, split == "test") for _ in range(count)]
        return [_question(split, index, order) for index, order in enumerate(orders)]


def _question(split: str, index: int, order: Order) -> Question:
    domain = "taught" if order.is_taught else "new"
    return Question(f"recipes-{split}-{index}", domain, str(order), numbered(order.recipe))
