"""Careless mistakes, one of each kind that the tutor can name."""

import random
from collections.abc import Callable
from dataclasses import replace

from tasks.materials.prompts import Prompt
from tasks.materials.reasoning import reason
from tasks.materials.table import LETTERS, NUMBERS, READINGS, Letter

Slip = Callable[[random.Random, Prompt], str]


def draw_slip(rng: random.Random, prompt: Prompt) -> str:
    """An answer with one mistake of a kind drawn evenly."""
    return rng.choice(SLIPS)(rng, prompt)


def lost_word(rng: random.Random, prompt: Prompt) -> str:
    """Bad format: one word of the right answer is missing."""
    words = str(reason(prompt, prompt.reading)).split()
    del words[rng.randrange(len(words))]
    return " ".join(words)


def misread_value(rng: random.Random, prompt: Prompt) -> str:
    """One copied value differs from the table."""
    right = reason(prompt, prompt.reading)
    row = rng.randrange(len(LETTERS))
    wrong = rng.choice([number for number in NUMBERS if number != right.column[row]])
    a, b, c, d = (wrong if index == row else value for index, value in enumerate(right.column))
    return str(replace(right, column=(a, b, c, d)))


def wrong_reading(rng: random.Random, prompt: Prompt) -> str:
    """Sound reasoning about another question than the one asked."""
    return str(reason(prompt, rng.choice([reading for reading in READINGS if reading != prompt.reading])))


def wrong_selection(rng: random.Random, prompt: Prompt) -> str:
    """The right column, but not its extreme."""
    right = reason(prompt, prompt.reading)
    letter = _other_letter(rng, right.selected)
    return str(replace(right, selected=letter, answer=letter))


def contradiction(rng: random.Random, prompt: Prompt) -> str:
    """Right reasoning, then another letter."""
    right = reason(prompt, prompt.reading)
    return str(replace(right, answer=_other_letter(rng, right.answer)))


def _other_letter(rng: random.Random, letter: Letter) -> Letter:
    return rng.choice([other for other in LETTERS if other != letter])


SLIPS: tuple[Slip, ...] = (lost_word, misread_value, wrong_reading, wrong_selection, contradiction)
