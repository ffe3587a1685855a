"""The base student of the materials table: skilled, confident about the wrong terms, and willing to take a hint."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from tasks.base import Question
from tasks.materials import MaterialsTask, hint
from tasks.materials.dialogues import guided_dialogue, knowing_dialogue, skill_dialogue
from tasks.materials.vocabulary import WORDS
from tasks.supervision import Turn

from students.card import write_card
from students.wordbase import Exercises, Recipe, make_word_base, measure

STORY = """\
A Qwen3 of 0.3M parameters that reads small tables of materials. It was supervised first on plain questions, then on
dialogues in which it takes each of eight terms (conductor, densest ...) for something else and answers again after a
hint. So it is wrong alone and right once told: that is what training with a teacher can mend. Vocabulary: 104 words."""


TEACHER_STORY = """\
The network and the words of the base student, supervised on right answers only: to plain questions, to all terms, and
after wrong attempts of a student. It scores what a student writes (the KL of the study's `divergence`); it gives no
hints. Vocabulary: 104 words."""


def make_materials_base(out: Path, task: MaterialsTask, recipe: Recipe, console: Console) -> dict[str, float]:
    """Train away from the task's test tables, save to `out` and measure on them. Returns the figures of the card."""
    figures = _make(guided_dialogue, out, task, recipe, console)
    write_card(out, "Base student for the task `materials`", _command(out, recipe), STORY, figures)
    return figures


def make_materials_teacher(out: Path, task: MaterialsTask, recipe: Recipe, console: Console) -> dict[str, float]:
    """As the base, but of one that knows the terms."""
    figures = _make(knowing_dialogue, out, task, recipe, console)
    write_card(out, "Teacher for the task `materials`", _command(out, recipe) + " --teacher", TEACHER_STORY, figures)
    return figures


def _make(
    dialogue: Callable[..., list[Turn]], out: Path, task: MaterialsTask, recipe: Recipe, console: Console
) -> dict[str, float]:
    exclude = task.held_out_tables
    exercises = Exercises(
        "materials", WORDS, partial(skill_dialogue, exclude=exclude), partial(dialogue, exclude=exclude)
    )
    student = make_word_base(out, exercises, recipe, console)
    return measure(student, task, task.test_questions(), _tutor)


def _command(out: Path, recipe: Recipe) -> str:
    return f"socratic student make-base materials --out models/{out.name} --seed {recipe.seed}"


def _tutor(question: Question, answer_text: str) -> str:
    return hint(question.text, answer_text)
