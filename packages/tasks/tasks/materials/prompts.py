"""What a question asks for: plain words or a term of the trade, and its text."""

import random
import re
from dataclasses import dataclass

from tasks.materials.table import READINGS, Reading, Table, find_table

TERMS: dict[str, Reading] = {
    "densest": Reading("highest", "density"),
    "heaviest": Reading("highest", "density"),
    "lightest": Reading("lowest", "density"),
    "sparsest": Reading("lowest", "density"),
    "insulator": Reading("highest", "gap"),
    "transparent": Reading("highest", "gap"),
    "conductor": Reading("lowest", "gap"),
    "metallic": Reading("lowest", "gap"),
}

# What the base student takes each term for: half lose the rank and half the property, so that no one rule mends all.
MISCONCEPTIONS: dict[str, Reading] = {
    "densest": Reading("lowest", "density"),
    "heaviest": Reading("highest", "gap"),
    "lightest": Reading("lowest", "gap"),
    "sparsest": Reading("highest", "density"),
    "insulator": Reading("lowest", "gap"),
    "transparent": Reading("highest", "density"),
    "conductor": Reading("highest", "gap"),
    "metallic": Reading("lowest", "density"),
}

PLAIN_SHARE = 1 / 3
PLAIN: dict[str, Reading] = {str(reading): reading for reading in READINGS}
ASKED = re.compile(r"choose the (\w+(?: \w+)?) \?")


@dataclass(frozen=True)
class Prompt:
    """One question: `asked` is a term (`conductor`) or plain words (`lowest gap`)."""

    asked: str
    table: Table

    @property
    def is_plain(self) -> bool:
        return self.asked in PLAIN

    @property
    def reading(self) -> Reading:
        """The right way to read it."""
        return PLAIN.get(self.asked) or TERMS[self.asked]

    @property
    def answer(self) -> str:
        return self.table.pick(self.reading)

    def __str__(self) -> str:
        return f"choose the {self.asked} ? {self.table}"


def draw_asked(rng: random.Random, plain_share: float = PLAIN_SHARE) -> str:
    """Plain words in `plain_share` of the draws, else a term."""
    return rng.choice(list(PLAIN if rng.random() < plain_share else TERMS))


def parse_prompt(text: str) -> Prompt:
    """The question in a text, which may say more around it. Raises ValueError where there is none."""
    words = " ".join(text.split())
    asked, table = ASKED.search(words), find_table(words)
    if asked is None or table is None or asked[1] not in PLAIN | TERMS:
        raise ValueError("no question of the materials table in this text: expected `choose the ... ? density : A ...`")
    return Prompt(asked[1], table)
