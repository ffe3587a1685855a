"""The student's answer: the column it looks at, what it picks there, and the letter it gives."""

import re
from dataclasses import dataclass
from typing import Literal, cast

from tasks.materials.prompts import Prompt
from tasks.materials.table import COLUMN, Column, Letter, Property, Rank, Reading, column_text, extreme

ANSWER = re.compile(
    rf"<reasoning> (density|gap) : {COLUMN} ; (highest|lowest) ([A-D]) </reasoning> <answer> ([A-D]) </answer>"
)
Mistake = Literal["format", "misread", "reading", "selection", "contradiction"]


@dataclass(frozen=True)
class Reasoning:
    """One well-formed answer, right or wrong."""

    reading: Reading
    column: Column
    selected: Letter
    answer: Letter

    def __str__(self) -> str:
        column = column_text(self.reading.property, self.column)
        thought = f"{column} ; {self.reading.rank} {self.selected}"
        return f"<reasoning> {thought} </reasoning> <answer> {self.answer} </answer>"


def reason(prompt: Prompt, reading: Reading) -> Reasoning:
    """The faithful reasoning of a student who takes the question for `reading`."""
    letter = prompt.table.pick(reading)
    return Reasoning(reading, prompt.table.column(reading.property), letter, letter)


def parse_reasoning(text: str) -> Reasoning | None:
    """The answer in its one form (white space aside), None for anything else."""
    found = ANSWER.fullmatch(" ".join(text.split()))
    if found is None:
        return None
    name, a, b, c, d, rank, selected, answer = found.groups()
    reading = Reading(cast(Rank, rank), cast(Property, name))
    return Reasoning(reading, (a, b, c, d), cast(Letter, selected), cast(Letter, answer))


def first_mistake(prompt: Prompt, answer_text: str) -> Mistake | None:
    """The first step of the student's actual reasoning that does not hold; None if all hold."""
    given = parse_reasoning(answer_text)
    if given is None:
        return "format"
    if given.column != prompt.table.column(given.reading.property):
        return "misread"
    if given.reading != prompt.reading:
        return "reading"
    if given.selected != extreme(given.column, given.reading.rank):
        return "selection"
    return None if given.answer == given.selected else "contradiction"
