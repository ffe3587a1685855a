"""Closed forms of the two baselines."""

from tasks.base import Question
from tasks.baselines import best_constant_letter, chance


def question(letters: str, answer: str) -> Question:
    return Question("q", "physics", "?", answer, {letter: letter for letter in letters})


def test_chance_is_the_mean_over_the_number_of_options() -> None:
    assert chance([question("ABCD", "A"), question("AB", "B")]) == (0.25 + 0.5) / 2


def test_the_best_constant_letter() -> None:
    assert best_constant_letter([question("ABCD", answer) for answer in "BABD"]) == ("B", 0.5)
    assert best_constant_letter([question("ABCD", answer) for answer in "DBDB"]) == ("B", 0.5)
