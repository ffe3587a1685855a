"""Questions, answers and their check."""

import hashlib
import json
import random
from collections import Counter
from dataclasses import asdict
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from tasks.materials import MaterialsOptions, MaterialsTask
from tasks.materials.prompts import MISCONCEPTIONS, TERMS, Prompt, draw_asked, parse_prompt
from tasks.materials.reasoning import parse_reasoning, reason
from tasks.materials.table import LETTERS, READINGS, draw_table
from tasks.materials.task import draw_prompts

SMALL = MaterialsOptions(train_questions=60, test_questions=30)

prompts = st.integers(0, 2**32).map(random.Random).map(lambda rng: Prompt(draw_asked(rng), draw_table(rng)))
readings = st.sampled_from(READINGS)


@given(prompts)
def test_the_four_readings_pick_four_letters(prompt: Prompt) -> None:
    assert {prompt.table.pick(reading) for reading in READINGS} == set(LETTERS)


@given(prompts)
def test_the_answer_is_the_extreme_of_the_column(prompt: Prompt) -> None:
    column = [float(value) for value in prompt.table.column(prompt.reading.property)]
    wanted = max(column) if prompt.reading.rank == "highest" else min(column)
    assert [LETTERS[row] for row in range(4) if column[row] == wanted] == [prompt.answer]


@given(prompts, st.text(alphabet="xyz :\n", max_size=20))
def test_a_prompt_is_found_in_a_longer_text(prompt: Prompt, around: str) -> None:
    assert parse_prompt(f"{around} {prompt} {around}") == prompt


@given(prompts, readings)
def test_only_the_right_reading_verifies(prompt: Prompt, reading: object) -> None:
    task = MaterialsTask(SMALL)
    question = next(q for q in task.test_questions() if q.answer == prompt.answer)
    answer = str(reason(prompt, reading))  # type: ignore[arg-type]
    assert task.verify(question, answer).correct == (reading == prompt.reading)


@given(prompts, readings)
def test_reasoning_survives_parsing(prompt: Prompt, reading: object) -> None:
    reasoning = reason(prompt, reading)  # type: ignore[arg-type]
    assert parse_reasoning(str(reasoning)) == reasoning


def test_reference_reasoning_is_correct_for_every_question() -> None:
    task = MaterialsTask(SMALL)
    for question in task.train_questions() + task.test_questions():
        prompt = parse_prompt(task.messages(question)[-1]["content"])
        assert task.verify(question, str(reason(prompt, prompt.reading))).correct


def test_no_misconception_is_right() -> None:
    assert MISCONCEPTIONS.keys() == TERMS.keys()
    assert all(MISCONCEPTIONS[term] != TERMS[term] for term in TERMS)


def test_a_third_of_the_questions_is_plain() -> None:
    task = MaterialsTask(MaterialsOptions())
    plain = Counter(parse_prompt(question.text).is_plain for question in task.train_questions())
    assert 0.30 < plain[True] / plain.total() < 0.37


def test_the_share_of_plain_questions_in_training_is_settable() -> None:
    for share, plain in ((0.0, {False}), (1.0, {True})):
        task = MaterialsTask(SMALL.model_copy(update={"plain_share": share}))
        assert {parse_prompt(question.text).is_plain for question in task.train_questions()} == plain
        assert task.test_questions() == MaterialsTask(SMALL).test_questions()


def test_the_seed_fixes_the_questions() -> None:
    assert MaterialsTask(SMALL).train_questions() == MaterialsTask(SMALL).train_questions()
    other = MaterialsTask(SMALL.model_copy(update={"seed": 1}))
    assert MaterialsTask(SMALL).test_questions() != other.test_questions()


def test_the_demo_asks_what_it_always_asked() -> None:
    """Digest taken of the code before there were splits: published results stay comparable."""
    task = MaterialsTask(MaterialsOptions())
    asked = json.dumps(
        [asdict(question) for question in task.train_questions() + task.test_questions()], sort_keys=True
    )
    assert hashlib.sha256(asked.encode()).hexdigest() == (
        "f41fa3de8671942b8b5f9e09ffad0a9e83862d5d2ebb239004cd095dd358e9a2"
    )


def test_the_test_set_does_not_depend_on_the_training_size() -> None:
    larger = MaterialsTask(SMALL.model_copy(update={"train_questions": 90}))
    assert larger.test_questions() == MaterialsTask(SMALL).test_questions()
    assert larger.train_questions()[:60] == MaterialsTask(SMALL).train_questions()


def test_train_and_test_share_no_table_and_ids_are_unique() -> None:
    task = MaterialsTask(MaterialsOptions())
    trained = {parse_prompt(question.text).table for question in task.train_questions()}
    tested = {parse_prompt(question.text).table for question in task.test_questions()}
    assert trained.isdisjoint(tested)
    ids = [question.id for question in task.train_questions() + task.test_questions()]
    assert len(set(ids)) == len(ids) == 2240


def test_excluded_tables_are_skipped() -> None:
    first, *rest = islice(draw_prompts("any", frozenset()), 4)
    assert list(islice(draw_prompts("any", frozenset({first.table})), 3)) == rest
