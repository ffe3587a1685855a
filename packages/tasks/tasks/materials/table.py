"""The table that a question shows: two properties of four materials, and what reading it one way picks."""

import random
import re
from dataclasses import dataclass
from typing import Literal

Letter = Literal["A", "B", "C", "D"]
Property = Literal["density", "gap"]
Rank = Literal["highest", "lowest"]
Column = tuple[str, str, str, str]

LETTERS: tuple[Letter, ...] = ("A", "B", "C", "D")
PROPERTIES: tuple[Property, ...] = ("density", "gap")
RANKS: tuple[Rank, ...] = ("highest", "lowest")
NUMBERS: tuple[str, ...] = tuple(f"{tenths / 10:.1f}" for tenths in range(10, 50))

NUMBER = r"(\d\.\d)"
COLUMN = " ".join(f"{letter} {NUMBER}" for letter in LETTERS)
TABLE = re.compile(rf"density : {COLUMN} ; gap : {COLUMN} ;")


@dataclass(frozen=True)
class Reading:
    """One way to read a question: which end of which property."""

    rank: Rank
    property: Property

    def __str__(self) -> str:
        return f"{self.rank} {self.property}"


READINGS: tuple[Reading, ...] = tuple(Reading(rank, name) for name in PROPERTIES for rank in RANKS)


@dataclass(frozen=True)
class Table:
    """Values of options A to D, as the words that the student sees."""

    density: Column
    gap: Column

    def column(self, name: Property) -> Column:
        return self.density if name == "density" else self.gap

    def pick(self, reading: Reading) -> Letter:
        """The option that this reading chooses."""
        return extreme(self.column(reading.property), reading.rank)

    def __str__(self) -> str:
        return f"{column_text('density', self.density)} ; {column_text('gap', self.gap)} ;"


def extreme(column: Column, rank: Rank) -> Letter:
    """The letter of the largest or smallest value; the first one if several are equal."""
    choose = max if rank == "highest" else min
    return LETTERS[choose(range(len(LETTERS)), key=lambda row: float(column[row]))]


def column_text(name: Property, column: Column) -> str:
    """`gap : A 1.0 B 1.2 C 4.1 D 3.0`: the form in a question and in the reasoning about it."""
    return f"{name} : " + " ".join(f"{letter} {value}" for letter, value in zip(LETTERS, column, strict=True))


def draw_table(rng: random.Random) -> Table:
    """A table whose four readings pick four different letters, so that no misreading is right by luck."""
    while True:
        table = Table(_draw_column(rng), _draw_column(rng))
        if len({table.pick(reading) for reading in READINGS}) == len(LETTERS):
            return table


def _draw_column(rng: random.Random) -> Column:
    a, b, c, d = rng.sample(NUMBERS, 4)
    return a, b, c, d


def find_table(text: str) -> Table | None:
    """The first table in a text, None without one."""
    found = TABLE.search(text)
    if found is None:
        return None
    a, b, c, d, e, f, g, h = found.groups()
    return Table((a, b, c, d), (e, f, g, h))
