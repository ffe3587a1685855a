"""Step-wise rewards under batch-level decay (paper eqs 16-19): what a right answer earns once others had their turn.

Axes: R rollouts, K attempts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainer.rewards import Floats, Rows


@dataclass(frozen=True)
class Decayed:
    """`factors[k]` is mu_k: a success at attempt k + 1 earns it. It holds mu_0 = 1 up to mu_K."""

    rewards_RK: Floats
    factors: list[float]


def batch_mean(rows: Rows) -> Decayed:
    """r_i(k) = mu_{k-1} * delta_i(k), where mu_{k-1} is the mean decayed reward of all earlier rows of the batch.

    A batch whose first attempts all fail is cold: mu_1 = 0, and every reward with it.
    """
    rewards_RK = np.zeros_like(rows.raw_RK)
    factors, earned, attempts = [1.0], 0.0, 0
    for k in range(rows.raw_RK.shape[1]):
        rewards_RK[:, k] = factors[k] * rows.raw_RK[:, k]
        earned += float(rewards_RK[:, k].sum())
        attempts += int(rows.made_RK[:, k].sum())
        factors.append(earned / attempts)
    return Decayed(rewards_RK, factors)


def none(rows: Rows) -> Decayed:
    """r = delta at every attempt (the paper's ablation w/o rd)."""
    return Decayed(rows.raw_RK.copy(), [1.0] * (rows.raw_RK.shape[1] + 1))


DECAYS: dict[str, Callable[[Rows], Decayed]] = {"batch_mean": batch_mean, "none": none}
