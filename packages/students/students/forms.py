"""Dialogues that teach the form of an answer and nothing else: random letters after sentences without information."""

import random

from tasks.base import Question
from tasks.supervision import Turn

SECOND_ATTEMPT_SHARE = 0.25
# Guidance of any wording gets the same kind of answer; these are only examples of a second user turn.
GUIDANCE = ("Your answer is incorrect. Please try again.", "Look at the units again.", "Check each option.")
REASONING = (
    "I compare the options.",
    "I look at each option.",
    "I check the units.",
    "I use the given values.",
    "I read the question again.",
)


def form_dialogue(rng: random.Random, question: Question, user_text: str) -> list[Turn]:
    """One attempt at the question as `user_text` shows it, at times a second after guidance."""
    turns = [Turn(user_text, _random_answer(rng, question))]
    if rng.random() < SECOND_ATTEMPT_SHARE:
        turns.append(Turn(rng.choice(GUIDANCE), _random_answer(rng, question)))
    return turns


def _random_answer(rng: random.Random, question: Question) -> str:
    letter = rng.choice(list(question.options))
    # The form that both letter verifiers accept.
    return f"<reasoning>\n{rng.choice(REASONING)}\n</reasoning>\n<answer>\n{letter}\n</answer>"
