"""One question: so many ingredients of a recipe, for a batch whose number changes nothing."""

import random
import re
from dataclasses import dataclass

from tasks.recipes.book import BOOK, MOST_INGREDIENTS, NEW, TAUGHT, Recipe, numbered

NUMBERS: tuple[str, ...] = tuple(f"{tenths / 10:.1f}" for tenths in range(10, 50))
ORDER = re.compile(rf"mix ([1-{MOST_INGREDIENTS}]) : (\w+) \? batch (\d\.\d) (\d\.\d) ;")
Batch = tuple[str, str]


@dataclass(frozen=True)
class Order:
    """`batch` makes questions differ, so that held-out ones are new while the recipes are the same."""

    name: str
    size: int
    batch: Batch

    @property
    def recipe(self) -> Recipe:
        """The right answer."""
        return BOOK[self.name][: self.size]

    @property
    def is_taught(self) -> bool:
        return self.name in TAUGHT

    def __str__(self) -> str:
        return question_text(self.name, self.size, self.batch)


def question_text(asked: str, size: int, batch: Batch) -> str:
    """`asked` is a name, or in the base student's exercises a recipe spelt out."""
    return f"mix {size} : {asked} ? batch {batch[0]} {batch[1]} ;"


def answer_text(recipe: Recipe) -> str:
    """What the student should write."""
    return f"<answer> {numbered(recipe)} </answer>"


def draw_batch(rng: random.Random, held_out: bool) -> Batch:
    """Held-out batches have the smaller number first, all others the larger one: no batch is both."""
    low, high = sorted(rng.sample(NUMBERS, 2))
    return (low, high) if held_out else (high, low)


def draw_order(rng: random.Random, size: int, taught_share: float, held_out: bool) -> Order:
    """A taught name in `taught_share` of the draws, else a new one."""
    name = rng.choice(TAUGHT if rng.random() < taught_share else NEW)
    return Order(name, size, draw_batch(rng, held_out))


def asks_for_order(text: str) -> bool:
    """It holds a question of the recipes, of whichever name."""
    return _found_in(text) is not None


def parse_order(text: str) -> Order:
    """The question in a text, which may say more around it. Raises ValueError where there is none."""
    found = _found_in(text)
    if found is None or found[2] not in BOOK:
        raise ValueError("no question of the recipes in this text: expected `mix 3 : bronze ? batch 2.4 1.1 ;`")
    return Order(found[2], int(found[1]), (found[3], found[4]))


def _found_in(text: str) -> re.Match[str] | None:
    return ORDER.search(" ".join(text.split()))
