"""What whoever reads an accuracy should know of the questions: repeated ones, and letters that are often right."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from tasks.base import Question
from tasks.baselines import best_constant_letter, chance
from tasks.splits import held_apart

# A letter that is right this many standard errors above chance is no accident, even as the best of four.
BIAS_ERRORS = 3.0


@dataclass(frozen=True)
class Remark:
    """Something about the questions that whoever reads an accuracy should know. `figures` are shares and counts."""

    code: str
    text: str
    figures: dict[str, float]


def remarks_on(train: Sequence[Question], test: Sequence[Question]) -> list[Remark]:
    """Overlap of the two sets, and letters that a student could score by; `train` as the task gives it."""
    remarks = []
    repeated = held_apart(train, test)[1]
    if repeated:
        text = (
            f"{len(repeated)} of {len(train)} training questions are repeated by the test set ({repeated[0].id} is the "
            "first); they are left out of training"
        )
        remarks.append(Remark("train_test_overlap", text, {"repeated": len(repeated), "train": len(train)}))
    return remarks + [remark for remark in [letter_bias(test)] if remark is not None]


def letter_bias(test: Sequence[Question]) -> Remark | None:
    """The letter that scores far above chance, when there is one."""
    if not test or not all(question.options for question in test):
        return None
    by_chance = chance(test)
    letter, accuracy = best_constant_letter(test)
    if accuracy - by_chance < BIAS_ERRORS * sqrt(by_chance * (1 - by_chance) / len(test)):
        return None
    text = (
        f"always answering {letter} scores {accuracy:.4g} on the {len(test)} held-out questions (chance is "
        f"{by_chance:.4g}); read accuracies against that"
    )
    return Remark("letter_bias", text, {"accuracy": accuracy, "chance": by_chance, "questions": len(test)})
