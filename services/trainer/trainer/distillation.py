"""Learning from a teacher's distribution over the next token instead of from rewards: pure arithmetic.

Axes: R rollouts, N student tokens, K tokens (and a tail bucket for all others).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.loss import TokenLoss

# The least that is left for the tail: what rounding leaves of 1 - 1 must not become log(0).
LEAST_TAIL = 1e-7


@dataclass(frozen=True)
class Distillation:
    """What each rollout's teacher is shown, and how its distributions are learned from."""

    demonstrations_R: Sequence[int | None]  # which other rollout, None: nothing, and the rollout teaches nothing
    alpha: float
    top_tokens: int
    ratio_cap: float


def divergence(logprobs_NK: Tensor, teacher_NK: Tensor, alpha: float) -> Tensor:
    """alpha KL(T || M) + (1 - alpha) KL(S || M), M = alpha T + (1 - alpha) S, of each token, nats (2306.13649 eq. 3).

    Both are log-probabilities of the same K tokens; what they leave to others is one more outcome.
    """
    student, teacher = with_tail(logprobs_NK), with_tail(teacher_NK)
    mixture = torch.logaddexp(student + math.log1p(-alpha), teacher + math.log(alpha))
    from_teacher = (teacher.exp() * (teacher - mixture)).sum(-1)
    from_student = (student.exp() * (student - mixture)).sum(-1)
    return alpha * from_teacher + (1 - alpha) * from_student


def with_tail(logprobs_NK: Tensor) -> Tensor:
    """[N, K + 1]: behind them log(1 - the sum of their probabilities)."""
    inside_N1 = logprobs_NK.logsumexp(-1, keepdim=True).clamp(max=-LEAST_TAIL)
    return torch.cat([logprobs_NK, (-inside_N1.expm1()).log()], dim=-1)


def distilled(divergence_N: Tensor, logprobs_N: Tensor, sampling_logprobs_N: Tensor, cap: float) -> TokenLoss:
    """Each token's divergence times min(pi / pi_sampling, cap), and where the cap held the ratio."""
    ratio_N = torch.exp(logprobs_N.detach() - sampling_logprobs_N)
    return TokenLoss(ratio_N.clamp(max=cap) * divergence_N, ratio_N > cap)
