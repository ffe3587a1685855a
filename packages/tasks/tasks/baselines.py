"""What a student scores on a set without understanding it: any accuracy is read against these."""

from collections import Counter
from collections.abc import Sequence

from tasks.base import Question


def chance(questions: Sequence[Question]) -> float:
    """Expected accuracy of a letter drawn evenly from each question's options."""
    return sum(1 / len(question.options) for question in questions) / len(questions)


def best_constant_letter(questions: Sequence[Question]) -> tuple[str, float]:
    """The letter that is right most often, and the accuracy of always giving it; the first in the alphabet if tied."""
    counts = Counter(question.answer for question in questions)
    letter = min(counts, key=lambda candidate: (-counts[candidate], candidate))
    return letter, counts[letter] / len(questions)
