"""Training and held-out questions must not overlap: a repeated question measures memory."""

from collections.abc import Sequence

from tasks.base import Question


def held_apart(train: Sequence[Question], test: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    """(the training questions that remain, those that the test set repeats: the same text and options)."""
    tested = {_content(question) for question in test}
    kept = [question for question in train if _content(question) not in tested]
    return kept, [question for question in train if _content(question) in tested]


def _content(question: Question) -> tuple[str, tuple[tuple[str, str], ...]]:
    return question.text, tuple(question.options.items())
