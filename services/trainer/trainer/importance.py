"""Correction for tokens that another policy sampled than the one that learns: staleness, and the engine's arithmetic.

Axes: N student tokens.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def truncated(weights_N: Tensor, cap: float) -> Tensor:
    """min(w, cap): truncated importance sampling, per token (IMPALA, arXiv 1802.01561; AIPO, 2505.24034)."""
    return weights_N.clamp(max=cap)


def masked(weights_N: Tensor, cap: float) -> Tensor:
    """w inside [1 / cap, cap] and 0 outside: masked importance sampling, per token (IcePop, arXiv 2510.18855)."""
    return weights_N.where((weights_N >= 1 / cap) & (weights_N <= cap), 0.0)


CORRECTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {"truncated": truncated, "masked": masked}


def importance_weights(
    correction: str, old_logprobs_N: Tensor, sampling_logprobs_N: Tensor, cap: float
) -> tuple[Tensor, Tensor]:
    """exp(old - sampling) under `correction`, and where the correction changed it. Both inputs carry no gradient."""
    exact_N = torch.exp(old_logprobs_N - sampling_logprobs_N)
    weights_N = CORRECTIONS[correction](exact_N, cap)
    return weights_N, weights_N != exact_N
