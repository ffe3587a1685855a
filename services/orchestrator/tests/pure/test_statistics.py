"""Intervals and pass@n against published and hand-made values."""

import math

import pytest
from orchestrator.statistics import accuracy_interval, pass_at, wilson


@pytest.mark.parametrize(
    ("right", "size", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score interval without continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(right: int, size: int, low: float, high: float) -> None:
    assert wilson(right / size, size) == pytest.approx((low, high), abs=5e-5)


def test_one_answer_a_question_is_the_plain_interval() -> None:
    shares = [1.0] * 81 + [0.0] * 182
    assert accuracy_interval(shares, 1) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_equal_answers_to_a_question_count_once_and_independent_ones_each() -> None:
    copied = accuracy_interval([1.0] * 81 + [0.0] * 182, 16)
    assert copied == pytest.approx((0.2553, 0.3662), abs=5e-5)
    # Shares as scattered as binomial draws of 4: variance p(1-p)/4 a question, so 4 answers each count.
    shares = [0.0] + [0.25] * 4 + [0.5] * 6 + [0.75] * 4 + [1.0]
    assert accuracy_interval(shares, 4) == pytest.approx(wilson(0.5, 64), abs=1e-9)


def test_more_alike_than_chance_makes_no_more_answers() -> None:
    """Shares of 2 and 3 in 5 scatter less than draws would: 500 answers by Kish, where 100 were given."""
    assert accuracy_interval([0.4, 0.6] * 10, 5) == pytest.approx(wilson(0.5, 100), abs=1e-9)


def test_all_right_is_not_certain() -> None:
    assert accuracy_interval([1.0] * 20, 1) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)
    assert accuracy_interval([], 4) == (0.0, 1.0)


def test_pass_at_by_counting() -> None:
    assert pass_at(2, 5, 2) == pytest.approx(0.7)  # of the 10 pairs, 3 hold none of the 2 right ones
    assert pass_at(1, 8, 3) == pytest.approx(3 / 8)
    assert pass_at(4, 4, 0) == 0.0
    assert pass_at(3, 4, 2) == 1.0
    with pytest.raises(ValueError, match="needs 5 samples"):
        pass_at(5, 4, 2)
    assert math.isclose(pass_at(1, 200, 100), 0.5)
