"""The rule-based teacher: it names the first mistake in the student's reasoning and never a letter, unless told to."""

import random

from tasks.guiding import Lesson
from tasks.materials.prompts import Prompt, parse_prompt
from tasks.materials.reasoning import Mistake, first_mistake, parse_reasoning
from tasks.materials.table import READINGS, Reading

NOT_IN_FORM = "write your reasoning first , then give one letter as the answer ."
CONTRADICTION = "your answer differs from your reasoning ."
CORRECT = "your answer is correct ."
# The kind of the mistake, true and of little use.
VAGUE: dict[Mistake, str] = {
    "format": NOT_IN_FORM,
    "misread": "you misread the table .",
    "reading": "you misread the question .",
    "selection": "compare the values again .",
    "contradiction": CONTRADICTION,
}


def guide(lesson: Lesson) -> str:
    """Guidance in the lesson's manner, in the student's own vocabulary.

    Raises ValueError if the lesson holds no question of the materials table, or not what its manner needs.
    """
    prompt = parse_prompt(lesson.question_text)
    mistake = first_mistake(prompt, lesson.answer_text)
    if mistake is None:
        return CORRECT
    dice = lesson.dice()
    if dice.random() < lesson.manner.wrong_share:
        return _means(prompt, lesson.answer_text, _false_reading(dice, prompt, lesson.answer_text))
    match lesson.manner.style:
        case "precise":
            return _precise(prompt, mistake, lesson.answer_text)
        case "vague":
            return VAGUE[mistake]
        case "answer":
            return lesson.told_answer()


def hint(question_text: str, answer_text: str) -> str:
    """Precise guidance: no such hint names any letter, so none can reveal the right one. Raises as `guide`."""
    return guide(Lesson(question_text, answer_text))


def _precise(prompt: Prompt, mistake: Mistake, answer_text: str) -> str:
    match mistake:
        case "format":
            return NOT_IN_FORM
        case "misread":
            return "you misread the table , copy the values again ."
        case "reading":
            return _means(prompt, answer_text, prompt.reading)
        case "selection":
            return f"compare the values again , that is not the {prompt.reading} ."
        case "contradiction":
            return CONTRADICTION


def _means(prompt: Prompt, answer_text: str, meant: Reading) -> str:
    taken = _taken(answer_text) or "table"
    wants = "the question wants" if prompt.is_plain else f"{prompt.asked} means"
    return f"you took the {taken} but {wants} the {meant} ."


def _taken(answer_text: str) -> Reading | None:
    given = parse_reasoning(answer_text)
    return given.reading if given else None


def _false_reading(dice: random.Random, prompt: Prompt, answer_text: str) -> Reading:
    ruled_out = {prompt.reading, _taken(answer_text)}
    return dice.choice([reading for reading in READINGS if reading not in ruled_out])
