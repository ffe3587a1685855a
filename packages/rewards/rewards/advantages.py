"""Advantages of the (rollout, attempt) rows: how much better than its companions a row did.

Axes: R rollouts, K attempts. Rows that were not made get 0, and so does every row whose companions earned the same.
"""

from collections.abc import Callable

import numpy as np

from rewards.rows import Flags, Floats, Rows

EPSILON = 1e-6


def row(rewards_RK: Floats, rows: Rows) -> Floats:
    """(r - mean) / (std + EPSILON), every row counting once: the only statistics for which Theorem 1 holds."""
    return standardised(rewards_RK, rows.made_RK, rows.made_RK.astype(np.float64))


def group_row(rewards_RK: Floats, rows: Rows) -> Floats:
    """Subtract the mean over all rows of the same question, then standardise over the batch."""
    return row(group_centred(rewards_RK, rows), rows)


def token(rewards_RK: Floats, rows: Rows) -> Floats:
    """Every student token counts once, so long answers weigh more."""
    return standardised(rewards_RK, rows.made_RK, rows.tokens_RK.astype(np.float64))


def group_centred(rewards_RK: Floats, rows: Rows) -> Floats:
    """r - group mean."""
    return within_groups(rewards_RK, rows, lambda rewards: rewards - rewards.mean())


def group_standardised(rewards_RK: Floats, rows: Rows) -> Floats:
    """(r - group mean) / (group std + EPSILON), with the sample standard deviation as verl and TRL take it."""
    return within_groups(rewards_RK, rows, lambda rewards: (rewards - rewards.mean()) / (spread(rewards) + EPSILON))


def group_over_batch(rewards_RK: Floats, rows: Rows) -> Floats:
    """(r - group mean) / (std of the whole batch + EPSILON), with the sample standard deviation (arXiv 2508.08221)."""
    of_batch = spread(rewards_RK[rows.made_RK]) if rows.made_RK.sum() > 1 else 0.0
    return group_centred(rewards_RK, rows) / (of_batch + EPSILON)


def leave_one_out(rewards_RK: Floats, rows: Rows) -> Floats:
    """r - mean of the group's other rows (arXiv 2402.14740 section 2)."""
    return within_groups(rewards_RK, rows, lambda rewards: rewards - (rewards.sum() - rewards) / (len(rewards) - 1))


def within_groups(rewards_RK: Floats, rows: Rows, rule: Callable[[Floats], Floats]) -> Floats:
    """Apply `rule` to the rows of each question. A row alone, or among equals, teaches nothing: exactly 0."""
    result_RK = np.zeros_like(rewards_RK)
    for group in np.unique(rows.group_R):
        of_group_RK = rows.made_RK & (rows.group_R == group)[:, None]
        rewards = rewards_RK[of_group_RK]
        if np.ptp(rewards) > 0:
            result_RK[of_group_RK] = rule(rewards)
    return result_RK


def spread(rewards: Floats) -> float:
    """Sample standard deviation."""
    return float(rewards.std(ddof=1))


def standardised(values_RK: Floats, made_RK: Flags, weights_RK: Floats) -> Floats:
    """Weighted mean 0 and (population) standard deviation 1 over the rows that were made."""
    result_RK = np.zeros_like(values_RK)
    values, weights = values_RK[made_RK], weights_RK[made_RK]
    # Equal rewards are decided before any rounding: a batch that teaches nothing must give exactly no gradient.
    if values.size == 0 or weights.sum() == 0 or np.ptp(values) == 0:
        return result_RK
    mean = np.average(values, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    result_RK[made_RK] = (values - mean) / (deviation + EPSILON)
    return result_RK


NORMALISATIONS: dict[str, Callable[[Floats, Rows], Floats]] = {"row": row, "group_row": group_row, "token": token}
