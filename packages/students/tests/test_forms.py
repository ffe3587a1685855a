"""The dialogues of the form hold no information about the right letter."""

import random
from collections import Counter
from dataclasses import replace

from students.forms import form_dialogue
from tasks.base import Question
from tasks.verifiers import strict_letter, tolerant_letter

QUESTION = Question("q", "physics", "How far?", "A", {"A": "1 m", "B": "2 m", "C": "3 m"})


def test_both_verifiers_read_the_form_and_letters_are_even() -> None:
    rng, seen = random.Random(0), Counter[str]()
    for _ in range(3000):
        first = form_dialogue(rng, QUESTION, "How far?")[0]
        asked = [replace(QUESTION, answer=letter) for letter in "ABC"]
        seen.update(question.answer for question in asked if tolerant_letter(question, first.assistant).correct)
        assert strict_letter(QUESTION, first.assistant) == tolerant_letter(QUESTION, first.assistant)
    # Chi-square with 2 degrees of freedom: beyond 13.8 once in a thousand seeds.
    assert seen.total() == 3000
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 13.8
