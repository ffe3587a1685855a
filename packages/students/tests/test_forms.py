"""The dialogues of the form hold no information about the right letter."""

import random
from collections import Counter

from students.forms import form_dialogue
from tasks.base import Question
from tasks.letters import strict_letter, tolerant_letter

QUESTION = Question("q", "physics", "How far?", {"A": "1 m", "B": "2 m", "C": "3 m"}, "A")


def test_both_checkers_read_the_form_and_letters_are_even() -> None:
    rng, seen = random.Random(0), Counter[str]()
    for _ in range(3000):
        first = form_dialogue(rng, QUESTION, "How far?")[0]
        seen.update(letter for letter in "ABC" if tolerant_letter(first.assistant, letter, "ABC").correct)
        assert strict_letter(first.assistant, "A", "ABC") == tolerant_letter(first.assistant, "A", "ABC")
    # Chi-square with 2 degrees of freedom: beyond 13.8 once in a thousand seeds.
    assert seen.total() == 3000
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 13.8
