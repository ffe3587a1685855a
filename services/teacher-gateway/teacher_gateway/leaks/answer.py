"""The right answer as the leak rules know it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from contracts.guidance import GuidanceRequest

# Of prompts in flight: the episodes of a group have one.
QUESTIONS = 512


@dataclass(frozen=True)
class RightAnswer:
    """`letters` in the order of the options; `letter` is the right one, None for a question without options."""

    letter: str | None
    text: str
    options: dict[str, str]
    stem: str  # the question without its options: what it says already cannot be leaked
    solution: str

    @cached_property
    def position(self) -> int:
        """Of the right letter among the options, from 0; -1 where it is none of them."""
        return [*self.options].index(self.letter) if self.letter in self.options else -1

    @cached_property
    def wrong(self) -> dict[str, str]:
        return {letter: text for letter, text in self.options.items() if letter != self.letter}


def right_answer(request: GuidanceRequest) -> RightAnswer | None:
    """None when the request does not say what is right: then nothing can be judged."""
    answer = request.answer if request.answer is not None else request.ground_truth
    if answer is None or not answer.strip():
        return None
    return answer_of(answer.strip(), request.question, tuple(request.options.items()), request.reference_solution or "")


@lru_cache(QUESTIONS)
def answer_of(answer: str, question: str, offered: tuple[tuple[str, str], ...], solution: str) -> RightAnswer:
    """`offered`: the options, letter and text."""
    given = dict(offered)
    letter = answer if answer in given or re.fullmatch("[A-Z]", answer) else None
    options = given or ({answer: answer} if letter else {})
    return RightAnswer(letter, options.get(answer, answer), options, stem_of(question, options), solution)


def stem_of(question: str, letters: Iterable[str]) -> str:
    """What comes before the list of options."""
    starts = [
        found.start() for letter in letters if (found := re.search(rf"(?m)^\(?{re.escape(letter)}[:.)]\s", question))
    ]
    return question[: min(starts)] if starts else question
