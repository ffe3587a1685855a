"""The terms of the loss, per student token, and what one watches beside them. Axes: N student tokens."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenLoss:
    """The loss of each token (with gradient) and whether the clip held its ratio."""

    loss_N: Tensor
    clipped_N: Tensor


def policy_gradient(
    logprobs_N: Tensor, old_logprobs_N: Tensor, advantages_N: Tensor, clip_low: float, clip_high: float
) -> TokenLoss:
    """-min(rho * A, clip(rho, 1 - clip_low, 1 + clip_high) * A), rho = pi_theta / pi_old (arXiv 1707.06347 eq. 7).

    The old policy is the one that the clip keeps the update near.
    """
    ratio_N = torch.exp(logprobs_N - old_logprobs_N)
    free_N = ratio_N * advantages_N
    held_N = ratio_N.clamp(1 - clip_low, 1 + clip_high) * advantages_N
    return TokenLoss(-torch.minimum(free_N, held_N), held_N < free_N)


def kl_estimate(logprobs_N: Tensor, sampling_logprobs_N: Tensor) -> Tensor:
    """k3 estimate of KL(sampling || current) per token, nats: rho - 1 - log rho, never negative."""
    log_ratio_N = logprobs_N - sampling_logprobs_N
    return torch.expm1(log_ratio_N) - log_ratio_N


def k2(logprobs_N: Tensor, reference_logprobs_N: Tensor) -> Tensor:
    """0.5 * (log pi / pi_ref)^2: on tokens of pi its gradient is that of KL(pi || pi_ref)."""
    return 0.5 * (logprobs_N - reference_logprobs_N).square()


def k3(logprobs_N: Tensor, reference_logprobs_N: Tensor) -> Tensor:
    """pi_ref / pi - 1 - log(pi_ref / pi): on tokens of pi its mean is KL(pi || pi_ref) (arXiv 2402.03300 eq. 4)."""
    return kl_estimate(reference_logprobs_N, logprobs_N)


KL_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k2": k2, "k3": k3}
