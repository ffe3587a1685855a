"""Overlap and letter bias are found, with figures, and nothing is said where there is nothing."""

from pathlib import Path

import pytest
from tasks.base import Question
from tasks.materials import MaterialsOptions, MaterialsTask
from tasks.registry import create_task
from tasks.remarks import letter_bias, remarks_on
from tasks.splits import held_apart


def choice(name: str, text: str, answer: str = "A", letters: str = "ABCD") -> Question:
    return Question(name, "d", text, answer, {letter: f"option {letter}" for letter in letters})


def test_what_the_test_set_repeats_is_left_out() -> None:
    train = [choice("1", "one"), choice("2", "two"), choice("3", "one", letters="AB"), choice("4", "one", "B")]
    kept, repeated = held_apart(train, [choice("t", "one")])
    assert [question.id for question in kept] == ["2", "3"]  # other options make another question
    assert [question.id for question in repeated] == ["1", "4"]


def test_an_overlap_is_told_with_its_figures() -> None:
    train = [choice("1", "one"), choice("2", "two", "B")]
    (remark,) = remarks_on(train, [choice("t", "two", "C"), choice("u", "three", "A")])
    assert (remark.code, remark.figures) == ("train_test_overlap", {"repeated": 1, "train": 2})
    assert "1 of 2 training questions are repeated by the test set (2 is the first)" in remark.text


def test_a_bias_is_told_only_beyond_three_standard_errors() -> None:
    """Chance 1/4 of 48 questions: three standard errors are 3 x sqrt(3/16/48) = 0.1875, so 21 of 48 is the border."""
    even = [choice(str(index), str(index), "BCD"[index % 3]) for index in range(27)]
    assert letter_bias([*even, *[choice(f"a{index}", f"a{index}") for index in range(21)]]) is not None
    short = [*even, choice("one", "one", "B"), *[choice(f"a{index}", f"a{index}") for index in range(20)]]
    assert letter_bias(short) is None


def test_questions_without_letters_have_no_bias() -> None:
    assert letter_bias([Question(str(index), "d", str(index), "7") for index in range(100)]) is None


def test_the_built_in_task_has_neither() -> None:
    task = MaterialsTask(MaterialsOptions())
    assert remarks_on(task.train_questions(), task.test_questions()) == []


@pytest.mark.real_data
def test_the_known_flaws_of_the_real_sets(real_data: Path) -> None:
    """Known of these sets: "always B" scores 41.25 % on physics; one material prompt is in both sets."""
    physics = create_task("sciknoweval", {"path": str(real_data), "domain": "physics"}, [real_data])
    (bias,) = remarks_on(physics.train_questions(), physics.test_questions())
    assert (bias.code, bias.figures["accuracy"], bias.figures["questions"]) == ("letter_bias", 0.4125, 80)
    assert bias.text.startswith("always answering B scores 0.4125")
    material = create_task("sciknoweval", {"path": str(real_data), "domain": "material"}, [real_data])
    overlap = remarks_on(material.train_questions(), material.test_questions())[0]
    assert (overlap.code, overlap.figures) == ("train_test_overlap", {"repeated": 1, "train": 841})
