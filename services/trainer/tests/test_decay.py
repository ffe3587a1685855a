"""Decay against the worked values of the paper (eqs 16-19, Figure 2)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.decay import batch_mean, none
from trainer.rewards import Rows, rows_of

FIGURE_2 = [[0, 1], [0, 0, 1], [1], [0, 0, 1]]


def rows(raw: list[list[Any]]) -> Rows:
    return rows_of(raw, [[1] * len(row) for row in raw], list(range(len(raw))))


def test_figure_2() -> None:
    decayed = batch_mean(rows(FIGURE_2))
    assert decayed.factors == [1.0, 0.25, 1.25 / 7, (1.25 + 2 * 1.25 / 7) / 9]
    assert decayed.factors[2:] == pytest.approx([0.178571428571, 0.178571428571], abs=1e-12)
    earned = decayed.rewards_RK[decayed.rewards_RK > 0]
    assert sorted(earned, reverse=True) == [1.0, 0.25, 1.25 / 7, 1.25 / 7]


def test_the_second_worked_batch() -> None:
    decayed = batch_mean(rows([[0, 0, 0], [0, 0, 1], [0, 1], [1], [1]]))
    assert decayed.factors[1] == pytest.approx(0.4, abs=1e-15)
    assert decayed.factors[2] == pytest.approx(0.3, abs=1e-15)
    assert decayed.rewards_RK[2, 1] == pytest.approx(0.4, abs=1e-15)
    assert decayed.rewards_RK[1, 2] == pytest.approx(0.3, abs=1e-15)


def test_a_cold_batch_earns_nothing_at_any_attempt() -> None:
    decayed = batch_mean(rows([[0, 1], [0, 0, 1], [0, 1]]))
    assert decayed.factors == [1.0, 0.0, 0.0, 0.0]
    assert not decayed.rewards_RK.any()


def test_decay_nearly_vanishes_when_the_student_is_good() -> None:
    assert batch_mean(rows([[1]] * 9 + [[0, 1]])).rewards_RK[9, 1] == 0.9


def test_none_keeps_raw_rewards() -> None:
    decayed = none(rows(FIGURE_2))
    assert decayed.factors == [1.0] * 4
    assert decayed.rewards_RK.sum() == 4


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_equals_the_definition_summed_rollout_by_rollout(shapes: list[tuple[int, bool]]) -> None:
    """An independent reading of eqs 16-19: loops over rollouts and attempts, no arrays."""
    raw = [[0.0] * failures + ([1.0] if solved or not failures else []) for failures, solved in shapes]
    earned: dict[tuple[int, int], float] = {}
    for k in range(max(len(row) for row in raw)):
        before = [(i, j) for i, row in enumerate(raw) for j in range(min(k, len(row)))]
        mu = sum(earned[key] for key in before) / len(before) if k else 1.0
        earned |= {(i, k): mu * row[k] for i, row in enumerate(raw) if len(row) > k}
    decayed = batch_mean(rows(raw)).rewards_RK
    np.testing.assert_allclose([decayed[key] for key in earned], list(earned.values()), rtol=1e-12, atol=0)


def test_rows_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="same rollouts"):
        rows_of([[1.0]], [[1, 2]], [0])
