"""The verifiers on the same answers: where they agree, where they differ, and what is malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasks.base import Question
from tasks.verifiers import VERIFIERS, Verifier, exact, number, numeric, strict_letter, tolerant_letter

LETTERS = "ABCD"
QUESTION = Question("q", "physics", "How far?", "B", {letter: letter for letter in LETTERS})


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
    assert tolerant_letter(QUESTION, text).outcome == tolerant
    assert strict_letter(QUESTION, text).outcome == strict


def test_only_correct_is_correct() -> None:
    assert tolerant_letter(QUESTION, "<answer>B").correct
    assert not tolerant_letter(QUESTION, "<answer>A").correct
    assert not tolerant_letter(QUESTION, "B").correct


@given(st.text(), st.sampled_from(LETTERS), st.sampled_from([tolerant_letter, strict_letter, exact]))
def test_the_last_answer_counts_whatever_came_before(before: str, letter: str, verifier: Verifier) -> None:
    verdict = verifier(QUESTION, f"{before}\n<answer>\n{letter}\n</answer>")
    assert verdict.outcome == ("correct" if letter == "B" else "wrong")


@pytest.mark.parametrize(
    ("right", "text", "outcome"),
    [
        ("72", "<answer>72</answer>", "correct"),
        ("72", "48 + 24 = 72 #### 72", "correct"),
        ("72", "<answer>\n72.0\n</answer>", "correct"),
        ("1,080", "<answer>1080</answer>", "correct"),
        ("1080", "<answer>$1,080.00</answer>", "correct"),
        ("0.5", "<answer>1/2</answer>", "correct"),
        ("1/3", "<answer>0.333333333</answer>", "wrong"),
        ("-3", "<answer>-3.</answer>", "correct"),
        ("3", "<answer>-3</answer>", "wrong"),
        ("20", "<answer>20 %</answer>", "correct"),
        ("72", "#### 71 <answer>72</answer>", "correct"),
        ("72", "<answer>seventy-two</answer>", "malformed"),
        ("72", "<answer>72 or 71</answer>", "malformed"),
        ("72", "<answer>1/0</answer>", "malformed"),
        ("72", "<answer>1e99999999</answer>", "malformed"),
        ("72", "<answer></answer>", "malformed"),
        ("72", "72", "malformed"),
        ("1080", "<answer>1,08</answer>", "malformed"),
    ],
)
def test_numeric(right: str, text: str, outcome: str) -> None:
    assert numeric(Question("q", "sums", "?", right), text).outcome == outcome


def test_a_number_of_a_million_digits_is_refused_at_once() -> None:
    assert number("9" * 1_000_000) is None


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("<answer>iron  oxide</answer>", "correct"),
        ("<answer>\niron oxide\n</answer>", "correct"),
        ("<answer>Iron oxide</answer>", "wrong"),
        ("<answer>oxide</answer>", "wrong"),
        ("<answer> </answer>", "malformed"),
        ("iron oxide", "malformed"),
    ],
)
def test_exact(text: str, outcome: str) -> None:
    assert exact(Question("q", "rust", "?", "iron oxide"), text).outcome == outcome


def test_every_verifier_has_a_name() -> None:
    assert set(VERIFIERS.values()) == {tolerant_letter, strict_letter, numeric, exact}
