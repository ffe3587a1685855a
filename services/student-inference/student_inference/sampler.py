"""Choosing the next tokens: temperature, top-k, top-p, min-p, and noise that only seed and position decide.

Axes: B requests, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from student_inference.request import SamplingParams


@dataclass(frozen=True)
class SamplingBatch:
    """The parameters of B requests as tensors [B, 1] (seeds [B])."""

    temperature: Tensor
    top_p: Tensor
    top_k: Tensor
    min_p: Tensor
    seeds: Tensor
    greedy: Tensor
    all_greedy: bool
    any_greedy: bool
    filtered: bool

    @staticmethod
    def of(params: Sequence[SamplingParams], vocab_size: int) -> "SamplingBatch":
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values).unsqueeze(1)

        greedy = [p.temperature == 0 for p in params]
        return SamplingBatch(
            temperature=column([p.temperature or 1.0 for p in params]),
            top_p=column([p.top_p for p in params]),
            top_k=column([p.top_k or vocab_size for p in params]),
            min_p=column([p.min_p for p in params]),
            seeds=torch.tensor([p.seed for p in params]),
            greedy=torch.tensor(greedy),
            all_greedy=all(greedy),
            any_greedy=any(greedy),
            filtered=any(p.temperature and (p.top_p < 1 or p.top_k or p.min_p) for p in params),
        )


def sample(logits_BV: Tensor, batch: SamplingBatch, positions_B: Tensor) -> tuple[Tensor, Tensor]:
    """Next tokens [B] and the log-probabilities [B, V] of all tokens.

    Log-probabilities are log_softmax(logits / temperature) before any filter, as SGLang reports them; a greedy
    request counts as temperature 1.
    """
    if batch.all_greedy:
        return logits_BV.argmax(-1), torch.log_softmax(logits_BV, -1)
    logprobs = torch.log_softmax(logits_BV / batch.temperature, -1)
    probabilities = logprobs.exp()
    if batch.filtered:
        probabilities = keep_likely(probabilities, batch)
    tokens = draw(probabilities, uniform(batch.seeds, positions_B))
    if batch.any_greedy:
        tokens = torch.where(batch.greedy, logits_BV.argmax(-1), tokens)
    return tokens, logprobs


def keep_likely(probabilities_BV: Tensor, batch: SamplingBatch) -> Tensor:
    """Zero the tokens that top-k, top-p or min-p exclude. Each filter looks at the full distribution."""
    ordered, order = probabilities_BV.sort(dim=-1, descending=True, stable=True)
    ranks = torch.arange(ordered.shape[-1])
    excluded = ranks >= batch.top_k
    excluded |= ordered.cumsum(-1) - ordered > batch.top_p
    excluded |= ordered < ordered[:, :1] * batch.min_p
    return torch.zeros_like(ordered).scatter_(1, order, ordered.masked_fill_(excluded, 0.0))


def draw(weights_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """Invert each row's cumulative distribution at its number in [0, 1); a token of weight 0 is never drawn."""
    cumulative = weights_BV.cumsum(-1)
    total = cumulative[:, -1:]
    targets = torch.minimum(uniforms_B.unsqueeze(1) * total, torch.nextafter(total, torch.zeros_like(total)))
    return (cumulative <= targets).sum(-1).clamp_(max=weights_BV.shape[-1] - 1)


def uniform(seeds_B: Tensor, positions_B: Tensor) -> Tensor:
    """Numbers in [0, 1) that are a function of (seed, position) alone: the splitmix64 hash (Steele et al. 2014)."""
    x = mix(seeds_B + (positions_B + 1) * -0x61C8864680B583EB)
    x = mix(x + seeds_B)
    return logical_shift(x, 40).float() * 2.0**-24


def mix(x: Tensor) -> Tensor:
    """The finaliser of splitmix64 on int64, whose products wrap around."""
    x = (x ^ logical_shift(x, 30)) * -0x40A7B892E31B1A47
    x = (x ^ logical_shift(x, 27)) * -0x6B2FB644ECCEEE15
    return x ^ logical_shift(x, 31)


def logical_shift(x: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros (torch repeats the sign)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
