"""Theorem 1 on random batches, and where it does not hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards.advantages import EPSILON, NORMALISATIONS, group_row, row, token
from rewards.decay import batch_mean, geometric
from rewards.rows import Rows, rows_of

K = 4
ROUNDING = 1e-9
# Attempt at which a rollout is solved (1..K), or K + 1 for never; with the lengths of its answers.
rollouts = st.tuples(st.integers(1, K + 1), st.lists(st.integers(1, 50), min_size=K, max_size=K))
batches = st.lists(rollouts, min_size=2, max_size=40)


def batch_of(solved_at: list[int], lengths: list[list[int]], groups: list[int] | None = None) -> Rows:
    raw = [[0.0] * (at - 1) + [1.0] if at <= K else [0.0] * K for at in solved_at]
    tokens = [length[: len(row)] for length, row in zip(lengths, raw, strict=True)]
    return rows_of(raw, tokens, groups or [0] * len(raw))


@given(batches, st.sampled_from([0.0, 0.05, 0.3, 1.0]))
def test_theorem_1(batch: list[tuple[int, list[int]]], floor: float) -> None:
    """For the paper's decay, and for every floor under it."""
    rows = batch_of([at for at, _ in batch], [lengths for _, lengths in batch])
    decayed = batch_mean(rows, floor)
    advantages = row(decayed.rewards_RK, rows)
    right = rows.raw_RK > 0
    assert (advantages[right] >= -ROUNDING).all()  # property 1
    by_attempt = [advantages[:, k][right[:, k]] for k in range(rows.raw_RK.shape[1])]
    for k, later in enumerate(by_attempt):
        for j in range(k):
            if len(later) and len(by_attempt[j]):  # property 2
                assert by_attempt[j].min() >= later.max() - ROUNDING
                if (
                    floor == 0 and decayed.factors[1] > 0
                ):  # then strictly: a later attempt exists because an earlier one failed
                    assert by_attempt[j].min() > later.max()


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 20))
def test_theorem_1_late_corrections_earn_nothing_when_all_are_corrected(solved: int, active: int, failed: int) -> None:
    """Property 3, as its closed form: A = mu_1 * m * (1 - p) / (N + m) / sigma, which is 0 at p = 1."""
    failed = min(failed, active - 1)
    rows = rows_of(
        [[1.0]] * solved + [[0.0, 1.0]] * (active - failed) + [[0.0, 0.0]] * failed,
        [[1]] * solved + [[1, 1]] * active,
        [0] * (solved + active),
    )
    decayed = batch_mean(rows)
    rewards = decayed.rewards_RK[rows.made_RK]
    sigma = np.sqrt(((rewards - rewards.mean()) ** 2).mean())
    first = solved + active
    expected = decayed.factors[1] * failed / (first + active) / (sigma + EPSILON)
    assert row(decayed.rewards_RK, rows)[solved, 1] == pytest.approx(expected, abs=ROUNDING)


@given(batches)
def test_mean_factor_has_the_product_form(batch: list[tuple[int, list[int]]]) -> None:
    """mu_t = mu_{k-1} * prod_{h=k..t} (N_{h-1} + m_h p_h) / (N_{h-1} + m_h), the corrected eqs 25-26."""
    rows = batch_of([at for at, _ in batch], [lengths for _, lengths in batch])
    factors = batch_mean(rows).factors
    made, right = rows.made_RK.sum(0), rows.raw_RK.sum(0)
    for k in range(2, len(factors)):
        before = made[: k - 1].sum()
        expected = factors[k - 1] * (before + right[k - 1]) / (before + made[k - 1])
        assert factors[k] == pytest.approx(expected, abs=1e-12)


def test_geometric_decay_breaks_property_1() -> None:
    """It does not know how good the batch was: a corrected answer among strong companions falls below the mean."""
    rows = batch_of([1, 1, 1, 2], [[1] * K] * 4)
    assert row(geometric(rows, 0.5).rewards_RK, rows)[3, 1] < -0.1
    assert row(batch_mean(rows).rewards_RK, rows)[3, 1] >= 0


def test_token_statistics_break_property_1() -> None:
    """A long solved answer pulls the mean above what a second attempt earns."""
    rows = batch_of([1, 2], [[50, 1, 1, 1], [1, 1, 1, 1]])
    rewards = batch_mean(rows).rewards_RK
    assert token(rewards, rows)[1, 1] < -0.1
    assert row(rewards, rows)[1, 1] >= 0


def test_group_statistics_break_property_1() -> None:
    """In a group of strong companions a corrected answer falls below its group's mean."""
    rows = batch_of([1, 1, 1, 2, 5, 5, 5, 5], [[1] * K] * 8, [0, 0, 0, 0, 1, 1, 1, 1])
    rewards = batch_mean(rows).rewards_RK
    assert group_row(rewards, rows)[3, 1] < -0.1
    assert row(rewards, rows)[3, 1] >= 0


def test_row_values_by_hand() -> None:
    rows = rows_of([[1.0], [0.0, 0.0]], [[3], [1, 1]], [0, 1])
    mean, spread = 1 / 3, np.sqrt(2) / 3
    expected = [[(1 - mean) / (spread + EPSILON), 0.0], [-mean / (spread + EPSILON)] * 2]
    np.testing.assert_allclose(row(rows.raw_RK, rows), expected, rtol=1e-12)


def test_token_values_by_hand() -> None:
    rows = rows_of([[1.0], [0.0]], [[3], [1]], [0, 0])
    spread = np.sqrt(0.75 * 0.25)
    expected = [[0.25 / (spread + EPSILON)], [-0.75 / (spread + EPSILON)]]
    np.testing.assert_allclose(token(rows.raw_RK, rows), expected, rtol=1e-12)


def test_group_row_values_by_hand() -> None:
    """Group 0 teaches nothing; group 1 is +-0.5 around its mean; the spread is taken over all four rows."""
    rows = rows_of([[1.0], [1.0], [1.0], [0.0]], [[1]] * 4, [0, 0, 1, 1])
    spread = np.sqrt(0.5 / 4)
    expected = [[0.0], [0.0], [0.5 / (spread + EPSILON)], [-0.5 / (spread + EPSILON)]]
    np.testing.assert_allclose(group_row(rows.raw_RK, rows), expected, rtol=1e-12)


@pytest.mark.parametrize("name", NORMALISATIONS)
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1])
def test_equal_rewards_give_exactly_nothing(name: str, reward: float) -> None:
    rows = rows_of([[reward]] * 7, [[3]] * 7, [0, 0, 0, 1, 1, 1, 2])
    assert not NORMALISATIONS[name](rows.raw_RK, rows).any()


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_attempts_that_were_not_made_get_nothing(name: str) -> None:
    rows = rows_of([[1.0], [0.0, 1.0]], [[2], [2, 2]], [0, 0])
    assert NORMALISATIONS[name](rows.raw_RK, rows)[0, 1] == 0
