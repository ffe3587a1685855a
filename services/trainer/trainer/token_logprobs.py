"""Log-probability and entropy of sampled tokens, from hidden states, with a bounded piece of the logits at a time.

Axes: N tokens, K targets of each, C tokens of one chunk, H hidden, V vocabulary. States and weights may be in a lower
precision than fp32; what is made of the logits never is.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

# 128 MiB in fp32: enough rows for a fast product at any vocabulary, little beside a model whose vocabulary is large.
LOGITS_AT_ONCE = 2**25


def token_logprobs(
    states_NH: Tensor,
    weight_VH: Tensor,
    bias_V: Tensor | None,
    targets: Tensor,
    temperature: float,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> tuple[Tensor, Tensor]:
    """log_softmax((states W^T + b) / temperature) at each target, and the entropy of each row, nats, in fp32.

    Targets are [N] or [N, K], and so are the log-probabilities. Both results carry gradients. At most `logits_at_once`
    logits are held (one row at least): what does not fit is computed chunk by chunk, and once more in the backward
    pass. When everything fits, nothing is computed twice.
    """
    rows = max(1, logits_at_once // len(weight_VH))
    logprobs, entropy_N = TokenLogprobs.apply(  # type: ignore[no-untyped-call]
        states_NH, weight_VH, bias_V, targets, temperature, rows
    )
    return logprobs, entropy_N


@torch.no_grad()
def top_tokens(
    states_NH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, top: int, logits_at_once: int = LOGITS_AT_ONCE
) -> Tensor:
    """Ids of the `top` likeliest tokens of each row, [N, top] (fewer in a smaller vocabulary), chunk by chunk."""
    rows, kept = max(1, logits_at_once // len(weight_VH)), min(top, len(weight_VH))
    found_NK = torch.empty(len(states_NH), kept, dtype=torch.long, device=states_NH.device)
    for start in range(0, len(states_NH), rows):
        part = slice(start, start + rows)
        found_NK[part] = linear(states_NH[part], weight_VH, bias_V).topk(kept, dim=-1).indices
    return found_NK


class TokenLogprobs(torch.autograd.Function):
    """`rows` tokens at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        states_NH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor | None,
        targets: Tensor,
        temperature: float,
        rows: int,
    ) -> tuple[Tensor, Tensor]:
        logprobs = states_NH.new_empty(targets.shape, dtype=torch.promote_types(states_NH.dtype, torch.float32))
        targets_NK, logprobs_NK = (each[:, None] if each.dim() == 1 else each for each in (targets, logprobs))
        entropy_N = logprobs.new_empty(len(states_NH))
        whole_NV = None
        for start in range(0, len(states_NH), rows):
            part = slice(start, start + rows)
            all_CV = log_softmax(states_NH[part], weight_VH, bias_V, temperature)
            logprobs_NK[part] = all_CV.gather(1, targets_NK[part])
            entropy_N[part] = -all_CV.exp().mul_(all_CV).sum(-1)
            whole_NV = all_CV if len(states_NH) <= rows else None
        ctx.save_for_backward(states_NH, weight_VH, bias_V, targets_NK, whole_NV)
        ctx.temperature, ctx.rows = temperature, rows
        ctx.set_materialize_grads(False)
        return logprobs, entropy_N

    @staticmethod
    def backward(ctx: Any, grad_logprobs: Tensor | None, grad_entropy_N: Tensor | None) -> tuple[Tensor | None, ...]:
        states_NH, weight_VH, bias_V, targets_NK, whole_NV = ctx.saved_tensors
        grad_states_NH = torch.empty_like(states_NH)
        grad_weight_VH = torch.zeros_like(weight_VH) if ctx.needs_input_grad[1] else None
        grad_bias_V = torch.zeros_like(bias_V) if ctx.needs_input_grad[2] else None
        for start in range(0, len(states_NH), ctx.rows):
            part = slice(start, start + ctx.rows)
            all_CV = whole_NV
            if all_CV is None:
                all_CV = log_softmax(states_NH[part], weight_VH, bias_V, ctx.temperature)
            grad_CV = torch.zeros_like(all_CV)
            if grad_entropy_N is not None:
                grad_CV.add_(all_CV).add_(1).mul_(all_CV.exp()).mul_(-grad_entropy_N[part, None])
            if grad_logprobs is not None:
                grad_CV.scatter_add_(1, targets_NK[part], grad_logprobs.view(targets_NK.shape)[part])
            # torch's own kernel: a batch that fits at once trains to the same bits as plain autograd.
            grad_CV = torch.ops.aten._log_softmax_backward_data(grad_CV, all_CV, 1, all_CV.dtype).div_(ctx.temperature)
            grad_CV = grad_CV.to(states_NH.dtype)
            torch.mm(grad_CV, weight_VH, out=grad_states_NH[part])
            if grad_weight_VH is not None:
                grad_weight_VH.addmm_(grad_CV.t(), states_NH[part])
            if grad_bias_V is not None:
                grad_bias_V += grad_CV.sum(0)
        return grad_states_NH, grad_weight_VH, grad_bias_V, None, None, None


def log_softmax(states_CH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, temperature: float) -> Tensor:
    """[C, V], of the logits at this temperature: what SGLang reports for a sampled token."""
    logits_CV = linear(states_CH, weight_VH, bias_V)
    logits_CV = logits_CV.to(torch.promote_types(logits_CV.dtype, torch.float32))
    return torch.log_softmax(logits_CV.div_(temperature), dim=-1)
