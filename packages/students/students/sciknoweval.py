"""The base student for SciKnowEval: it knows the form of an answer and nothing else, so its accuracy is chance."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import invalid
from rich.console import Console
from tasks.base import Message, Question, Task
from tasks.splits import held_apart
from transformers import PreTrainedTokenizerFast

from students.architecture import Size, new_student
from students.bytelevel import train_bpe
from students.card import save, write_card
from students.examples import Batch, Example, collate, encode, render
from students.forms import form_dialogue
from students.measure import Student, attempt
from students.progress import training_bar
from students.supervised import Schedule, train

SPREAD = 0.1
# An answer in the form has about 25 tokens.
MAX_NEW_TOKENS = 64
# Chance on a small test set is seen only through several answers to each question.
SAMPLES = 5
STORY = """\
A small Qwen3 with a byte-level BPE tokenizer trained on the training questions. It was supervised on the form of an
answer only: letters drawn at random after sentences without information. What it scores is chance."""


@dataclass(frozen=True)
class Recipe:
    """The student's size and its supervised stage."""

    size: Size
    vocabulary: int = 2048
    seed: int = 0
    batch: int = 16
    steps: int = 400
    learning_rate: float = 3e-3

    def flags(self) -> str:
        """The command line's flags that give this recipe."""
        size = self.size
        shape = f"--hidden {size.hidden} --layers {size.layers} --heads {size.heads} --context {size.context}"
        return f"{shape} --vocab {self.vocabulary} --steps {self.steps} --seed {self.seed}"


def make_sciknoweval_base(out: Path, task: Task, recipe: Recipe, console: Console) -> dict[str, float]:
    """Train tokenizer and student, save to `out`, measure. Equal recipes give equal bytes on one thread.

    Raises Problem 422 where a prompt of the task does not fit into the context.
    """
    questions, _ = held_apart(task.train_questions(), task.test_questions())
    prompts = [task.messages(question) for question in questions]
    texts = [message["content"] for prompt in prompts for message in prompt]
    tokenizer = train_bpe(texts, recipe.vocabulary, recipe.size.context)
    _check_context(tokenizer, [*prompts, *map(task.messages, task.test_questions())], recipe.size.context)
    model = new_student(recipe.size, tokenizer, recipe.seed, SPREAD)
    batches = _batches(tokenizer, task, questions, random.Random(f"sciknoweval/base/{recipe.seed}"), recipe.batch)
    with training_bar(console, "answer form", recipe.steps) as on_step:
        train(model, batches, Schedule(recipe.steps, recipe.learning_rate), on_step)
    save(model, tokenizer, out)
    figures = measure(Student(model, tokenizer, MAX_NEW_TOKENS), task)
    domain = questions[0].domain
    made_by = f"socratic student make-base sciknoweval --data PATH --domain {domain} --out {out.name} {recipe.flags()}"
    write_card(out, f"Base student for the task `{task.name}`, {domain}", made_by, STORY, figures)
    return figures


def measure(student: Student, task: Task) -> dict[str, float]:
    """Accuracy, form and letters of sampled answers at T = 1."""
    questions = task.test_questions() * SAMPLES
    first = attempt(student, task, questions, temperature=1.0)
    letters = Counter(text.rpartition("<answer>")[2].partition("</answer>")[0].strip() for text in first.texts)
    shares = {f"share of {letter}": letters[letter] / len(questions) for letter in _letters(questions)}
    return {"accuracy, T = 1": first.accuracy, "well-formed answers, T = 1": first.format_rate, **shares}


def _letters(questions: Sequence[Question]) -> list[str]:
    return sorted({letter for question in questions for letter in question.options})


def _check_context(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[list[Message]], context: int) -> None:
    """Two attempts and the guidance between must fit."""
    rendered = [render(tokenizer, prompt, add_generation_prompt=True) for prompt in prompts]
    longest = max(len(ids) for ids in tokenizer(rendered, add_special_tokens=False)["input_ids"])
    needed = longest + 3 * MAX_NEW_TOKENS
    if needed > context:
        raise invalid("context", f"the longest prompt has {longest} tokens; make the context at least {needed}")


def _batches(
    tokenizer: PreTrainedTokenizerFast, task: Task, questions: Sequence[Question], rng: random.Random, size: int
) -> Iterator[Batch]:
    pad_id = tokenizer.convert_tokens_to_ids(tokenizer.pad_token)
    while True:
        chosen = [rng.choice(questions) for _ in range(size)]
        yield collate([_example(tokenizer, task, rng, question) for question in chosen], pad_id)


def _example(tokenizer: PreTrainedTokenizerFast, task: Task, rng: random.Random, question: Question) -> Example:
    system, user = (message["content"] for message in task.messages(question))
    return encode(tokenizer, form_dialogue(rng, question, user), system)
