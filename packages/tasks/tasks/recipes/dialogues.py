"""Supervised dialogues for the base student: follow what is spelt out, recall what was taught, guess the rest."""

import random

from contracts.guidance import RETRY_TEXT

from tasks.recipes.book import BOOK, MOST_INGREDIENTS, NEW, TAUGHT, Recipe, draw_recipe, narrowed
from tasks.recipes.orders import answer_text, draw_batch, question_text
from tasks.supervision import Turn

# How many ingredients a clause leaves for each place; one spells the recipe out.
WIDTHS = (1, 1, 2, 2, 3, 4)
TAUGHT_SHARE = 0.6
RETRY_SHARE = 0.15
# First answers about new names are chance, of which a few are enough to learn.
LEARNED_GUESSES = 0.2


def spelt_dialogue(rng: random.Random) -> list[Turn]:
    """A question that names no recipe but spells one out, or leaves a choice at each place."""
    recipe = draw_recipe(rng, _size(rng))
    asked = narrowed(rng, recipe, rng.choice(WIDTHS))
    return [Turn(_question(rng, asked, len(recipe)), answer_text(recipe))]


def recalled_dialogue(rng: random.Random) -> list[Turn]:
    """A taught name is answered by heart, at once or after a slip; a new name by chance, then by what the hint leaves.

    Where a hint leaves a choice, recall decides for taught names: the same recall as without a hint.
    """
    if rng.random() < TAUGHT_SHARE:
        return _taught(rng, _size(rng))
    return _new(rng, _size(rng))


def _taught(rng: random.Random, size: int) -> list[Turn]:
    name = rng.choice(TAUGHT)
    recipe = BOOK[name][:size]
    question = _question(rng, name, size)
    if rng.random() < 0.5:
        return [Turn(question, answer_text(recipe))]
    slip = Turn(question, answer_text(draw_recipe(rng, size)), learn=False)
    return [slip, Turn(_guidance(rng, recipe) or RETRY_TEXT, answer_text(recipe))]


def _new(rng: random.Random, size: int) -> list[Turn]:
    """The recipe is another one each time: nothing about the name is learned."""
    recipe = draw_recipe(rng, size)
    question = _question(rng, rng.choice(NEW), size)
    guess = Turn(question, answer_text(draw_recipe(rng, size)), learn=rng.random() < LEARNED_GUESSES)
    return [guess, Turn(_guidance(rng, recipe) or RETRY_TEXT, answer_text(recipe))]


def _guidance(rng: random.Random, recipe: Recipe) -> str | None:
    if rng.random() < RETRY_SHARE:
        return None
    return f"it means {narrowed(rng, recipe, rng.choice(WIDTHS))} ."


def _question(rng: random.Random, asked: str, size: int) -> str:
    return question_text(asked, size, draw_batch(rng, held_out=False))


def _size(rng: random.Random) -> int:
    return rng.randint(1, MOST_INGREDIENTS)
