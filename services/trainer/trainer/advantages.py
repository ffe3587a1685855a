"""Advantages of the (rollout, attempt) rows: (r - mean) / (std + EPSILON), with the population standard deviation.

Axes: R rollouts, K attempts. Rows that were not made get 0, and so does every row when all rewards are equal.
"""

from collections.abc import Callable

import numpy as np

from trainer.rewards import Flags, Floats, Rows

EPSILON = 1e-6


def row(rewards_RK: Floats, rows: Rows) -> Floats:
    """Every row counts once: the only statistics for which Theorem 1 holds."""
    return standardised(rewards_RK, rows.made_RK, rows.made_RK.astype(np.float64))


def group_row(rewards_RK: Floats, rows: Rows) -> Floats:
    """Subtract the mean over all rows of the same question, then divide by the standard deviation over the batch."""
    centred_RK = np.zeros_like(rewards_RK)
    for group in np.unique(rows.group_R):
        of_group_RK = rows.made_RK & (rows.group_R == group)[:, None]
        values = rewards_RK[of_group_RK]
        if np.ptp(values) > 0:
            centred_RK[of_group_RK] = values - values.mean()
    return standardised(centred_RK, rows.made_RK, rows.made_RK.astype(np.float64))


def token(rewards_RK: Floats, rows: Rows) -> Floats:
    """Every student token counts once, so long answers weigh more."""
    return standardised(rewards_RK, rows.made_RK, rows.tokens_RK.astype(np.float64))


def standardised(values_RK: Floats, made_RK: Flags, weights_RK: Floats) -> Floats:
    """Weighted mean 0 and standard deviation 1 over the rows that were made."""
    result_RK = np.zeros_like(values_RK)
    values, weights = values_RK[made_RK], weights_RK[made_RK]
    # Equal rewards are decided before any rounding: a batch that teaches nothing must give exactly no gradient.
    if values.size == 0 or weights.sum() == 0 or np.ptp(values) == 0:
        return result_RK
    mean = np.average(values, weights=weights)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    result_RK[made_RK] = (values - mean) / (spread + EPSILON)
    return result_RK


NORMALISATIONS: dict[str, Callable[[Floats, Rows], Floats]] = {"row": row, "group_row": group_row, "token": token}
