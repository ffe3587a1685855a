"""The (rollout, attempt) rows of a batch as arrays.

Axes: R rollouts, K attempts. Rollouts end after different numbers of attempts: `made_RK` says which rows exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """What the learning rules see of a batch; rows that were not made hold zeros."""

    raw_RK: Floats  # 1.0 right, 0.0 wrong
    made_RK: Flags
    tokens_RK: Counts  # student tokens of the attempt
    group_R: Counts  # which question the rollout answers


def rows_of(raw: Sequence[Sequence[float]], tokens: Sequence[Sequence[int]], groups: Sequence[int]) -> Rows:
    """Pad the attempts of each rollout to arrays. Raises ValueError when the three do not describe the same rows."""
    if [len(row) for row in raw] != [len(row) for row in tokens] or len(raw) != len(groups):
        raise ValueError("rewards, token counts and groups must describe the same rollouts and attempts")
    shape = (len(raw), max((len(row) for row in raw), default=0))
    raw_RK, made_RK = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    tokens_RK = np.zeros(shape, dtype=np.int64)
    for rollout, row in enumerate(raw):
        raw_RK[rollout, : len(row)] = row
        made_RK[rollout, : len(row)] = True
        tokens_RK[rollout, : len(row)] = tokens[rollout]
    return Rows(raw_RK, made_RK, tokens_RK, np.asarray(groups, dtype=np.int64))
