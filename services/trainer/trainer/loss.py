"""The clipped policy gradient on student tokens, and what one watches beside it. Axes: N student tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenLoss:
    """The loss of each token (with gradient) and whether the clip held its ratio."""

    loss_N: Tensor
    clipped_N: Tensor


def policy_gradient(
    logprobs_N: Tensor, sampling_logprobs_N: Tensor, advantages_N: Tensor, clip_low: float, clip_high: float
) -> TokenLoss:
    """-min(rho * A, clip(rho, 1 - clip_low, 1 + clip_high) * A), rho = pi_theta / pi_sampling (arXiv 1707.06347 eq. 7).

    The sampling policy is the engine's at the moment each token was sampled. The batch's loss is the mean over all its
    student tokens: the caller divides the sum by their number.
    """
    ratio_N = torch.exp(logprobs_N - sampling_logprobs_N)
    free_N = ratio_N * advantages_N
    held_N = ratio_N.clamp(1 - clip_low, 1 + clip_high) * advantages_N
    return TokenLoss(-torch.minimum(free_N, held_N), held_N < free_N)


def kl_estimate(logprobs_N: Tensor, sampling_logprobs_N: Tensor) -> Tensor:
    """k3 estimate of KL(sampling || current) per token, nats: rho - 1 - log rho, never negative."""
    log_ratio_N = logprobs_N - sampling_logprobs_N
    return torch.expm1(log_ratio_N) - log_ratio_N
