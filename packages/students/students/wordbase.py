"""What the base students of the built-in tasks share: whole words, one size, a stage of skill and one of dialogues."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.guidance import RETRY_TEXT
from rich.console import Console
from tasks.base import Question, Task
from tasks.supervision import Turn
from transformers import PreTrainedTokenizerFast

from students.architecture import Size, new_student
from students.card import save
from students.examples import Batch, collate, encode
from students.measure import Guide, Student, attempt, second_attempt
from students.progress import training_bar
from students.supervised import Schedule, train
from students.wordlevel import word_tokenizer

Draw = Callable[[random.Random], list[Turn]]

SIZE = Size(hidden=96, layers=3, heads=4, kv_heads=2, feed_forward=256, context=512)
# About 1/sqrt(hidden): with the customary 0.02 the copying of a column is learned ten times later.
SPREAD = 0.1
# A well-formed answer has 20 tokens with its end in `materials`, fewer in `recipes`.
MAX_NEW_TOKENS = 32

SKILL = Schedule(steps=1200, learning_rate=3e-3)
DIALOGUE = Schedule(steps=1000, learning_rate=1.5e-3)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast the two supervised stages run."""

    seed: int = 0
    batch: int = 32
    skill: Schedule = SKILL
    dialogue: Schedule = DIALOGUE


@dataclass(frozen=True)
class Exercises:
    """What a base student of `task` practises: its words, and a dialogue of each stage."""

    task: str
    words: Sequence[str]
    skill: Draw
    dialogue: Draw


def make_word_base(out: Path, exercises: Exercises, recipe: Recipe, console: Console) -> Student:
    """Train a new student and save it to `out`. Equal recipes give equal bytes on one thread."""
    tokenizer = word_tokenizer(exercises.words, SIZE.context)
    model = new_student(SIZE, tokenizer, recipe.seed, SPREAD)
    rng = random.Random(f"{exercises.task}/base/{recipe.seed}")
    stages = (("skill", exercises.skill, recipe.skill), ("dialogue", exercises.dialogue, recipe.dialogue))
    for label, draw, schedule in stages:
        with training_bar(console, label, schedule.steps) as on_step:
            train(model, _batches(tokenizer, draw, rng, recipe.batch), schedule, on_step)
    save(model, tokenizer, out)
    return Student(model, tokenizer, MAX_NEW_TOKENS)


def measure(student: Student, task: Task, questions: Sequence[Question], tutor: Guide) -> dict[str, float]:
    """Accuracy of the first attempt and within two, after hints and after the bare retry text."""
    figures: dict[str, float] = {}
    for label, temperature in (("greedy", 0.0), ("T = 1", 1.0)):
        first = attempt(student, task, questions, temperature)
        hinted = second_attempt(student, task, questions, first, tutor, temperature)
        retried = second_attempt(student, task, questions, first, _retry, temperature)
        figures[f"unassisted accuracy, {label}"] = first.accuracy
        figures[f"within two attempts with hints, {label}"] = hinted.accuracy
        figures[f"within two attempts with the retry text, {label}"] = retried.accuracy
        figures[f"well-formed first answers, {label}"] = first.format_rate
    return figures


def _batches(tokenizer: PreTrainedTokenizerFast, draw: Draw, rng: random.Random, size: int) -> Iterator[Batch]:
    pad_id = tokenizer.convert_tokens_to_ids(tokenizer.pad_token)
    while True:
        yield collate([encode(tokenizer, draw(rng)) for _ in range(size)], pad_id)


def _retry(question: Question, answer_text: str) -> str:
    return RETRY_TEXT
