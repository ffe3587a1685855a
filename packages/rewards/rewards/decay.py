"""Step-wise rewards under decay (paper eqs 16-19): what a right answer earns once others had their turn.

Axes: R rollouts, K attempts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rewards.rows import Floats, Rows


@dataclass(frozen=True)
class Decayed:
    """`factors[k]` is mu_k: a success at attempt k + 1 earns it. It holds mu_0 = 1 up to mu_K."""

    rewards_RK: Floats
    factors: list[float]


def batch_mean(rows: Rows, floor: float = 0.0) -> Decayed:
    """r_i(k) = mu_{k-1} * delta_i(k), where mu_{k-1} is the mean decayed reward of all earlier rows of the batch.

    A batch whose first attempts all fail is cold: mu_1 = 0, and every reward with it; a `floor` above 0, under which
    no mu falls, keeps teaching then. Theorem 1 holds for every floor: no mu is below the mean of what came before it.
    """
    rewards_RK = np.zeros_like(rows.raw_RK)
    factors, earned, attempts = [1.0], 0.0, 0
    for k in range(rows.raw_RK.shape[1]):
        rewards_RK[:, k] = factors[k] * rows.raw_RK[:, k]
        earned += float(rewards_RK[:, k].sum())
        attempts += int(rows.made_RK[:, k].sum())
        factors.append(max(floor, earned / attempts))
    return Decayed(rewards_RK, factors)


def geometric(rows: Rows, gamma: float) -> Decayed:
    """mu_k = gamma ** k, whatever the batch earned: a cold batch still teaches, Theorem 1's first property is lost."""
    return paid(rows, [gamma**k for k in range(rows.raw_RK.shape[1] + 1)])


def none(rows: Rows) -> Decayed:
    """r = delta at every attempt (the paper's ablation w/o rd)."""
    return geometric(rows, gamma=1.0)


def ema(rows: Rows, rate: float, before: Sequence[float] = ()) -> Decayed:
    """mu_k = (1 - rate) * its value before this step + rate * the batch's own mu_k (eq. 17): small batches are noisy.

    `before` are the factors that the last step returned, none at the first; a mu_k without a past takes the batch's. A
    batch in which nobody needed attempt k hands the old mu_k on, so `factors` may be longer than K + 1.
    """
    today = batch_mean(rows).factors
    factors = [now if k >= len(before) else (1 - rate) * before[k] + rate * now for k, now in enumerate(today)]
    return paid(rows, [*factors, *before[len(today) :]])


def paid(rows: Rows, factors: list[float]) -> Decayed:
    """Every success of attempt k + 1 earns factors[k]."""
    return Decayed(rows.raw_RK * np.asarray(factors)[: rows.raw_RK.shape[1]], factors)


# Rows of the batch, the decay's one setting, the factors of the step before -> rewards and factors.
DECAYS: dict[str, Callable[[Rows, float, Sequence[float]], Decayed]] = {
    "batch_mean": lambda rows, _setting, _before: batch_mean(rows),
    "none": lambda rows, _setting, _before: none(rows),
    "geometric": lambda rows, gamma, _before: geometric(rows, gamma),
    "floor": lambda rows, floor, _before: batch_mean(rows, floor),
    "ema": ema,
}
