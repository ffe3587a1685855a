"""The base student of the recipes: it follows what is spelt out, recalls what it was taught, and guesses the rest."""

from pathlib import Path

from contracts.teachers import TutorManner
from rich.console import Console
from tasks.base import Question
from tasks.guiding import Lesson
from tasks.recipes import RecipesTask, guide
from tasks.recipes.dialogues import recalled_dialogue, spelt_dialogue
from tasks.recipes.vocabulary import WORDS

from students.card import write_card
from students.measure import Guide
from students.wordbase import Exercises, Recipe, make_word_base, measure

STORY = """\
A Qwen3 of 0.3M parameters that knows eight recipes of up to four ingredients by heart and eight more by name only. Told
a recipe it repeats it; told two ingredients for each place it picks one, by recall where it can. So of the new recipes
it guesses one in 512 (three ingredients), gets nearly all right once told and one in 8 with a choice of two."""


def make_recipes_base(out: Path, task: RecipesTask, recipe: Recipe, console: Console) -> dict[str, float]:
    """Train, save to `out` and measure on the new names of the held-out questions. Returns the figures of the card."""
    student = make_word_base(out, Exercises("recipes", WORDS, spelt_dialogue, recalled_dialogue), recipe, console)
    new = [question for question in task.test_questions() if question.domain == "new"]
    told = measure(student, task, new, _tutor("precise"))
    figures = {f"new names: {name}": value for name, value in told.items()}
    vague = measure(student, task, new, _tutor("vague"))
    figures["new names: within two attempts with vague hints, T = 1"] = vague["within two attempts with hints, T = 1"]
    taught = [question for question in task.test_questions() if question.domain == "taught"]
    alone = measure(student, task, taught, _tutor("precise"))
    figures["taught names: unassisted accuracy, T = 1"] = alone["unassisted accuracy, T = 1"]
    made_by = f"socratic student make-base recipes --out models/{out.name} --seed {recipe.seed}"
    write_card(out, "Base student for the task `recipes`", made_by, STORY, figures)
    return figures


def _tutor(style: str) -> Guide:
    manner = TutorManner.model_validate({"style": style})

    def say(question: Question, answer_text: str) -> str:
        # The question's own seed, so that no two choices are alike.
        return guide(Lesson(question.text, answer_text, manner, seed=int(question.id.rpartition("-")[2])))

    return say
