"""Log-probabilities in chunks against plain autograd over all logits."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from trainer.token_logprobs import token_logprobs

TOKENS, HIDDEN, VOCAB, TEMPERATURE = 13, 5, 37, 0.7


def inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States, weight, bias (with gradients) and targets."""
    rng = torch.Generator().manual_seed(0)
    shapes = [(TOKENS, HIDDEN), (VOCAB, HIDDEN), (VOCAB,)]
    states, weight, bias = (torch.randn(shape, generator=rng, dtype=dtype).requires_grad_() for shape in shapes)
    return states, weight, bias, torch.randint(VOCAB, (TOKENS,), generator=rng)


def plain(states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> tuple[Tensor, Tensor]:
    distribution = torch.distributions.Categorical(
        logits=torch.nn.functional.linear(states, weight, bias) / TEMPERATURE
    )
    return distribution.log_prob(targets), distribution.entropy()


def results(found: tuple[Tensor, Tensor], parameters: list[Tensor]) -> list[Tensor]:
    """Both outputs, and the gradient of a mixture of them."""
    mixture = (found[0] * torch.linspace(-1, 2, TOKENS)).sum() + (found[1] * torch.linspace(1, -1, TOKENS)).sum()
    return [found[0].detach(), found[1].detach(), *torch.autograd.grad(mixture, parameters)]


@pytest.mark.parametrize("rows", [1, 4, TOKENS, 1000])
@pytest.mark.parametrize("with_bias", [True, False])
def test_chunks_equal_plain(rows: int, with_bias: bool) -> None:
    states, weight, bias, targets = inputs()
    parameters = [states, weight, bias] if with_bias else [states, weight]
    used = bias if with_bias else None
    found = results(token_logprobs(states, weight, used, targets, TEMPERATURE, rows * VOCAB), parameters)
    expected = results(plain(states, weight, used, targets), parameters)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() <= 1e-6 * theirs.norm()


def test_gradients_by_finite_differences() -> None:
    states, weight, bias, targets = inputs(torch.float64)
    assert torch.autograd.gradcheck(
        lambda s, w, b: token_logprobs(s, w, b, targets, TEMPERATURE, 4 * VOCAB), (states, weight, bias)
    )


class LargestTensor(TorchDispatchMode):
    """The most elements of any tensor that an operation filled."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, tuple | list) else [out]:
            if isinstance(item, Tensor) and not func.is_view:
                self.elements = max(self.elements, item.numel())
        return out


def test_no_tensor_is_larger_than_a_chunk_or_the_head() -> None:
    states, weight, bias, targets = inputs()
    with LargestTensor() as largest:
        logprobs, entropy = token_logprobs(states, weight, bias, targets, TEMPERATURE, 3 * VOCAB)
        (logprobs.sum() + entropy.sum()).backward()  # type: ignore[no-untyped-call]
    assert largest.elements == max(3 * VOCAB, VOCAB * HIDDEN) < TOKENS * VOCAB


def test_a_frozen_head_costs_no_gradient() -> None:
    states, weight, _, targets = inputs()
    with LargestTensor() as largest:
        token_logprobs(states, weight.detach(), None, targets, TEMPERATURE, VOCAB)[0].sum().backward()  # type: ignore[no-untyped-call]
    assert states.grad is not None
    assert largest.elements < VOCAB * HIDDEN
