"""The base student of the materials table: skilled, confident about the wrong terms, and willing to take a hint."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.guidance import RETRY_TEXT
from rich.console import Console
from tasks.base import Question
from tasks.materials import MaterialsTask, hint
from tasks.materials.dialogues import guided_dialogue, skill_dialogue
from tasks.materials.table import Table
from tasks.materials.vocabulary import WORDS
from tasks.supervision import Turn
from transformers import PreTrainedTokenizerFast

from students.architecture import Size, new_student
from students.card import save, write_card
from students.examples import Batch, collate, encode
from students.measure import Student, attempt, second_attempt
from students.progress import training_bar
from students.supervised import Schedule, train
from students.wordlevel import word_tokenizer

Draw = Callable[[random.Random, frozenset[Table]], list[Turn]]

SIZE = Size(hidden=96, layers=3, heads=4, kv_heads=2, feed_forward=256, context=512)
# About 1/sqrt(hidden): with the customary 0.02 the copying of a column is learned ten times later.
SPREAD = 0.1
# A well-formed answer has 20 tokens with its end.
MAX_NEW_TOKENS = 32
STORY = """\
A Qwen3 of 0.3M parameters that reads small tables of materials. It was supervised first on plain questions, then on
dialogues in which it takes each of eight terms (conductor, densest ...) for something else and answers again after a
hint. So it is wrong alone and right once told: that is what training with a teacher can mend. Vocabulary: 104 words."""


SKILL = Schedule(steps=1200, learning_rate=3e-3)
DIALOGUE = Schedule(steps=1000, learning_rate=1.5e-3)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast the two supervised stages run."""

    seed: int = 0
    batch: int = 32
    skill: Schedule = SKILL
    dialogue: Schedule = DIALOGUE


def make_materials_base(out: Path, task: MaterialsTask, recipe: Recipe, console: Console) -> dict[str, float]:
    """Train away from the task's test tables, save to `out` and measure on them.

    Equal recipes give equal bytes on one thread. Returns the figures of the card.
    """
    tokenizer = word_tokenizer(WORDS, SIZE.context)
    model = new_student(SIZE, tokenizer, recipe.seed, SPREAD)
    rng = random.Random(f"materials/base/{recipe.seed}")
    stages: tuple[tuple[str, Draw, Schedule], ...] = (
        ("skill", skill_dialogue, recipe.skill),
        ("dialogue", guided_dialogue, recipe.dialogue),
    )
    for label, draw, schedule in stages:
        batches = _batches(tokenizer, draw, rng, task.held_out_tables, recipe.batch)
        with training_bar(console, label, schedule.steps) as on_step:
            train(model, batches, schedule, on_step)
    save(model, tokenizer, out)
    figures = measure(Student(model, tokenizer, MAX_NEW_TOKENS), task)
    made_by = f"socratic student make-base materials --out models/{out.name} --seed {recipe.seed}"
    write_card(out, "Base student for the task `materials`", made_by, STORY, figures)
    return figures


def measure(student: Student, task: MaterialsTask) -> dict[str, float]:
    """Accuracy of the first attempt and within two, after hints and after the bare retry text."""
    questions = task.test_questions()
    figures: dict[str, float] = {}
    for label, temperature in (("greedy", 0.0), ("T = 1", 1.0)):
        first = attempt(student, task, questions, temperature)
        hinted = second_attempt(student, task, questions, first, _tutor, temperature)
        retried = second_attempt(student, task, questions, first, _retry, temperature)
        figures[f"unassisted accuracy, {label}"] = first.accuracy
        figures[f"within two attempts with hints, {label}"] = hinted.accuracy
        figures[f"within two attempts with the retry text, {label}"] = retried.accuracy
        figures[f"well-formed first answers, {label}"] = first.format_rate
    return figures


def _batches(
    tokenizer: PreTrainedTokenizerFast, draw: Draw, rng: random.Random, exclude: frozenset[Table], size: int
) -> Iterator[Batch]:
    pad_id = tokenizer.convert_tokens_to_ids(tokenizer.pad_token)
    while True:
        yield collate([encode(tokenizer, draw(rng, exclude)) for _ in range(size)], pad_id)


def _tutor(question: Question, answer_text: str) -> str:
    return hint(question.text, answer_text)


def _retry(question: Question, answer_text: str) -> str:
    return RETRY_TEXT
