"""The base student of the materials table: skilled, confident about the wrong terms, and willing to take a hint."""

from functools import partial
from pathlib import Path

from rich.console import Console
from tasks.base import Question
from tasks.materials import MaterialsTask, hint
from tasks.materials.dialogues import guided_dialogue, skill_dialogue
from tasks.materials.vocabulary import WORDS

from students.card import write_card
from students.wordbase import Exercises, Recipe, make_word_base, measure

STORY = """\
A Qwen3 of 0.3M parameters that reads small tables of materials. It was supervised first on plain questions, then on
dialogues in which it takes each of eight terms (conductor, densest ...) for something else and answers again after a
hint. So it is wrong alone and right once told: that is what training with a teacher can mend. Vocabulary: 104 words."""


def make_materials_base(out: Path, task: MaterialsTask, recipe: Recipe, console: Console) -> dict[str, float]:
    """Train away from the task's test tables, save to `out` and measure on them. Returns the figures of the card."""
    exclude = task.held_out_tables
    exercises = Exercises(
        "materials", WORDS, partial(skill_dialogue, exclude=exclude), partial(guided_dialogue, exclude=exclude)
    )
    student = make_word_base(out, exercises, recipe, console)
    figures = measure(student, task, task.test_questions(), _tutor)
    made_by = f"socratic student make-base materials --out models/{out.name} --seed {recipe.seed}"
    write_card(out, "Base student for the task `materials`", made_by, STORY, figures)
    return figures


def _tutor(question: Question, answer_text: str) -> str:
    return hint(question.text, answer_text)
