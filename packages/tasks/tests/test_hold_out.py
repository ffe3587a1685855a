"""Splits of the materials table: what a split asks is asked nowhere else."""

from itertools import chain

import pytest
from contracts.errors import Problem
from tasks.base import splits_of
from tasks.materials import MaterialsOptions, MaterialsTask
from tasks.materials.hold_out import UNSEEN_LETTERS
from tasks.materials.prompts import TERMS, Prompt, parse_prompt
from tasks.materials.table import LETTERS
from tasks.registry import create_task

OPTIONS = MaterialsOptions(
    train_questions=400, test_questions=60, unseen_terms=("heaviest", "conductor"), unseen_combinations=True
)


@pytest.fixture(scope="module")
def task() -> MaterialsTask:
    return MaterialsTask(OPTIONS)


def prompts(questions: object) -> list[Prompt]:
    return [parse_prompt(question.text) for question in questions]  # type: ignore[attr-defined]


def test_training_and_the_test_set_ask_no_unseen_term_nor_combination(task: MaterialsTask) -> None:
    for prompt in prompts(task.train_questions() + task.test_questions()):
        assert prompt.asked not in {"heaviest", "conductor"}
        assert UNSEEN_LETTERS.get(prompt.asked) != prompt.answer


def test_a_split_asks_only_what_it_is_named_for(task: MaterialsTask) -> None:
    splits = splits_of(task)
    assert list(splits) == ["unseen_combination", "unseen_term"]
    assert {prompt.asked for prompt in prompts(splits["unseen_term"])} == {"heaviest", "conductor"}
    assert {prompt.answer for prompt in prompts(splits["unseen_term"])} == set(LETTERS)
    for prompt in prompts(splits["unseen_combination"]):
        assert UNSEEN_LETTERS[prompt.asked] == prompt.answer
    assert {prompt.asked for prompt in prompts(splits["unseen_combination"])} == TERMS.keys() - {
        "heaviest",
        "conductor",
    }


def test_no_two_sets_share_a_table_or_an_id(task: MaterialsTask) -> None:
    sets = [task.train_questions(), task.test_questions(), *task.splits().values()]
    assert [len(questions) for questions in sets] == [400, 60, 60, 60]
    questions = list(chain.from_iterable(sets))
    assert len({question.id for question in questions}) == len({prompt.table for prompt in prompts(questions)}) == 580


def test_unseen_combinations_leave_every_meaning_with_every_letter() -> None:
    task = MaterialsTask(MaterialsOptions(train_questions=400, test_questions=1, unseen_combinations=True))
    asked = {(prompt.reading, prompt.answer) for prompt in prompts(task.train_questions()) if not prompt.is_plain}
    assert len(asked) == 4 * 4


def test_nothing_is_held_out_unless_asked() -> None:
    assert splits_of(MaterialsTask(MaterialsOptions(train_questions=1, test_questions=1))) == {}


@pytest.mark.parametrize("terms", [["shiny"], list(TERMS)])
def test_bad_terms_are_refused_by_name(terms: list[str]) -> None:
    with pytest.raises(Problem, match=r"task.options.unseen_terms"):
        create_task("materials", {"unseen_terms": terms}, [])
