"""Both checkers on the same answers: where they agree, where they differ, and what is malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasks.letters import CHECKERS, strict_letter, tolerant_letter

LETTERS = "ABCD"


@pytest.mark.parametrize(
    ("text", "tolerant", "strict"),
    [
        ("<answer>\nB\n</answer>", "correct", "correct"),
        ("<answer>\nA\n</answer>", "wrong", "wrong"),
        ("<answer>B</answer>", "correct", "malformed"),
        ("<answer> B", "correct", "malformed"),
        ("<answer>A</answer> no, <answer>B</answer>", "correct", "malformed"),
        ("<answer>\nB\n</answer> or <answer>A</answer>", "wrong", "correct"),
        ("<answer>\nA\n</answer>\n<answer>\nB\n</answer>", "correct", "correct"),
        ("<answer>\nB because\n</answer>", "malformed", "malformed"),
        ("<answer>\nE\n</answer>", "malformed", "malformed"),
        ("<answer>b</answer>", "malformed", "malformed"),
        ("<answer></answer>", "malformed", "malformed"),
        ("B", "malformed", "malformed"),
        ("", "malformed", "malformed"),
    ],
)
def test_outcome(text: str, tolerant: str, strict: str) -> None:
    assert tolerant_letter(text, "B", LETTERS).outcome == tolerant
    assert strict_letter(text, "B", LETTERS).outcome == strict


def test_only_correct_is_correct() -> None:
    assert tolerant_letter("<answer>B", "B", LETTERS).correct
    assert not tolerant_letter("<answer>A", "B", LETTERS).correct
    assert not tolerant_letter("B", "B", LETTERS).correct


@given(st.text(), st.sampled_from(LETTERS), st.sampled_from(sorted(CHECKERS)))
def test_the_last_answer_counts_whatever_came_before(before: str, letter: str, checker: str) -> None:
    verdict = CHECKERS[checker](f"{before}\n<answer>\n{letter}\n</answer>", "B", LETTERS)  # type: ignore[index]
    assert verdict.outcome == ("correct" if letter == "B" else "wrong")
