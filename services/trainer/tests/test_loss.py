"""The clipped policy gradient in closed form."""

import math

import pytest
import torch
from trainer.loss import kl_estimate, policy_gradient


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.1, 2.0, -2.2, -2.2),
        (1.5, 2.0, -2.6, 0.0),  # clipped at 1 + 0.3
        (0.5, 2.0, -1.0, -1.0),  # a good token that became rare is still pulled up
        (0.5, -2.0, 1.6, 0.0),  # clipped at 1 - 0.2
        (1.5, -2.0, 3.0, 3.0),  # a bad token that became likely is still pushed down
    ],
)
def test_each_side_of_the_clip(ratio: float, advantage: float, loss: float, gradient: float) -> None:
    sampling = torch.tensor([-1.0], dtype=torch.float64)
    logprobs = (sampling + math.log(ratio)).requires_grad_()
    result = policy_gradient(logprobs, sampling, torch.tensor([advantage], dtype=torch.float64), 0.2, 0.3)
    result.loss_N.sum().backward()
    assert result.loss_N.item() == pytest.approx(loss, rel=1e-12)
    assert logprobs.grad is not None
    assert logprobs.grad.item() == pytest.approx(gradient, rel=1e-12)
    assert result.clipped_N.item() is (gradient == 0.0)


def test_kl_estimate_is_k3_of_the_sampling_policy() -> None:
    """E_sampling[k3] is the exact KL divergence, here over a three-way choice."""
    sampling = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    current = torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)
    estimate = (sampling * kl_estimate(current.log(), sampling.log())).sum()
    exact = (sampling * (sampling / current).log()).sum()
    assert estimate.item() == pytest.approx(exact.item(), rel=1e-12)
