"""Decay against the worked values of the paper (eqs 16-19, Figure 2)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards.decay import batch_mean, ema, geometric, none
from rewards.rows import Rows, rows_of

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


def test_geometric_by_hand() -> None:
    decayed = geometric(rows(FIGURE_2), gamma=0.5)
    assert decayed.factors == [1.0, 0.5, 0.25, 0.125]
    assert sorted(decayed.rewards_RK[decayed.rewards_RK > 0]) == [0.25, 0.25, 0.5, 1.0]


def test_a_floor_keeps_a_cold_batch_teaching() -> None:
    """mu_1 = max(0.2, 0/3); then 0.2 * 2 is earned in 6 attempts, which is below the floor again."""
    decayed = batch_mean(rows([[0, 1], [0, 0, 1], [0, 1]]), floor=0.2)
    assert decayed.factors == [1.0, 0.2, 0.2, 0.2]
    assert sorted(decayed.rewards_RK[decayed.rewards_RK > 0]) == [0.2, 0.2, 0.2]


def test_a_floor_below_the_mean_changes_nothing() -> None:
    assert batch_mean(rows(FIGURE_2), floor=0.1).factors == batch_mean(rows(FIGURE_2)).factors


def test_ema_by_hand() -> None:
    """Figure 2 after a step whose factors were 1, 0.75 and nothing later."""
    decayed = ema(rows(FIGURE_2), 0.25, [1.0, 0.75])
    assert decayed.factors == [1.0, 0.75 * 0.75 + 0.25 * 0.25, 1.25 / 7, (1.25 + 2 * 1.25 / 7) / 9]
    assert decayed.rewards_RK[0, 1] == 0.625


def test_ema_hands_on_what_a_batch_did_not_need() -> None:
    assert ema(rows([[1], [1]]), 0.5, [1.0, 0.5, 0.25, 0.125]).factors == [1.0, 0.75, 0.25, 0.125]


@pytest.mark.parametrize("before", [[], [1.0, 0.75, 0.5, 0.25]])
def test_ema_without_a_past_or_without_memory_is_the_batch_mean(before: list[float]) -> None:
    rate = 1.0 if before else 0.1
    assert ema(rows(FIGURE_2), rate, before).factors == batch_mean(rows(FIGURE_2)).factors
