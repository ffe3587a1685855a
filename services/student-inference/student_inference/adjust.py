"""What a request changes in its logits before a token is chosen: penalties, biases, and stops that come too early.

The order is SGLang's: what is added (frequency and presence penalties, early stops), what scales (repetition penalty),
then the logit bias. Penalties look at the output only, not at the prompt. Log-probabilities are those of the result.

Axes: B requests, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from student_inference.request import Request, SamplingParams


@dataclass
class Adjustments:
    """State of a batch; only made when some request of it asks for a change."""

    frequency_B1: Tensor
    presence_B1: Tensor
    repetition_B1: Tensor
    bias_BV: Tensor
    counts_BV: Tensor
    """How often each token is in the output."""
    stops_BV: Tensor
    """True for tokens that end the generation."""
    early_B1: Tensor
    """Tokens that must still come before one of them may."""

    @staticmethod
    def of(requests: Sequence[Request], vocab_size: int) -> "Adjustments | None":
        """The state of these requests, or None when none of them changes anything."""
        params = [request.params for request in requests]
        if not any(map(adjusts, params)):
            return None
        shape = (len(requests), vocab_size)
        counts, bias, stops = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
        for row, request in enumerate(requests):
            counts[row] = torch.bincount(torch.tensor(request.output, dtype=torch.long), minlength=vocab_size)
            for token, value in request.params.logit_bias:
                bias[row, token] = value
            stops[row, list(request.params.stop_ids)] = True
        early = [p.min_new_tokens - len(request.output) for p, request in zip(params, requests, strict=True)]
        return Adjustments(
            column([p.frequency_penalty for p in params]),
            column([p.presence_penalty for p in params]),
            column([p.repetition_penalty for p in params]),
            bias,
            counts,
            stops,
            column(early),
        )

    def apply(self, logits_BV: Tensor) -> Tensor:
        """The changed logits [B, V], fp32."""
        seen = self.counts_BV > 0
        logits = logits_BV - self.frequency_B1 * self.counts_BV - self.presence_B1 * seen
        logits.masked_fill_(self.stops_BV & (self.early_B1 > 0), float("-inf"))
        scaled = torch.where(logits < 0, logits * self.repetition_B1, logits / self.repetition_B1)
        return torch.where(seen, scaled, logits) + self.bias_BV

    def advance(self, tokens_B: Tensor) -> None:
        """Count one more token of every request."""
        self.counts_BV.scatter_add_(1, tokens_B.unsqueeze(1), torch.ones(len(tokens_B), 1))
        self.early_B1 = self.early_B1 - 1


def adjusts(params: SamplingParams) -> bool:
    neutral = not (params.frequency_penalty or params.presence_penalty or params.logit_bias or params.min_new_tokens)
    return not neutral or params.repetition_penalty != 1.0


def column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).unsqueeze(1)
