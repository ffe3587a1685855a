"""Attention over a row of strands, behind transformers' own interface: the model's code stays as it is.

Axes: U tokens of the row, H heads, D size of a head.
"""

from typing import Any

import torch
from contracts.trajectories import CONTEXT, Trajectory
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from trainer.layout import Layout, lay

NAME = "socratic_strands"


class NotInOneRow(Exception):
    """The model's attention is not plain causal attention, so that strands in one row would see each other."""


def attend(
    module: nn.Module,
    query_1HUD: Tensor,
    key_1HUD: Tensor,
    value_1HUD: Tensor,
    attention_mask: Tensor | None,
    layout: Layout | None = None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """[1, U, H, D]: each token looks at those before it in its trajectory. Without a layout, plain sdpa.

    The beginning that strands share is attended to once for itself and once for every other strand, which throws that
    part of the answer away: kernels without a mask are so much faster. Raises NotInOneRow.
    """
    if layout is None:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query_1HUD, key_1HUD, value_1HUD, attention_mask, scaling=scaling, **options
        )
        return found
    if options.get("sliding_window") or options.get("softcap") or attention_mask is not None:
        raise NotInOneRow(f"{type(module).__name__} has a window, a soft cap or a mask of its own")
    parts = []
    wholes = zip(*(layout.wholes(part, dim=2) for part in (query_1HUD, key_1HUD, value_1HUD)), strict=True)
    for strand, (query, key, value) in zip(layout.strands, wholes, strict=True):
        grouped = query.shape[1] != key.shape[1]
        seen = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=grouped)
        parts.append(seen.narrow(2, strand.shared_tokens, strand.own_tokens))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attend)

# Rounding of two orders of summation in fp32; strands that see each other are off by far more.
TOLERANCE = 1e-4
PROBE_HEAD, PROBE_TAIL = 3, 4


@torch.no_grad()
def take_strands(model: Any, vocab_size: int) -> bool:
    """Let the model attend by `attend`, if it then computes for strands in one row what it does for each alone.

    Otherwise the model stays as it was: windows, recurrences, or attention outside transformers' interface.
    """
    before = model.config._attn_implementation
    ids_T = [torch.arange(start, start + PROBE_HEAD + PROBE_TAIL) % vocab_size for start in (0, PROBE_HEAD)]
    ids_T[1] = torch.cat([ids_T[0][:PROBE_HEAD], ids_T[1][PROBE_HEAD:]])
    attempts = [CONTEXT] * PROBE_HEAD + [1] * PROBE_TAIL
    nothing = [0.0] * len(attempts)
    tokens_U, layout = lay([Trajectory(ids.tolist(), attempts, nothing, attempts) for ids in ids_T])
    expected_UH = layout.rolled(model.base_model(input_ids=torch.stack(ids_T), use_cache=False).last_hidden_state)
    try:
        model.set_attn_implementation(NAME)
        found_UH = model.base_model(
            input_ids=torch.tensor([tokens_U]), position_ids=layout.depths_U[None], layout=layout, use_cache=False
        ).last_hidden_state[0]
    except (NotInOneRow, TypeError, ValueError):
        found_UH = torch.full_like(expected_UH, torch.inf)
    if (found_UH - expected_UH).abs().max() <= TOLERANCE * (1 + expected_UH.abs().max()):
        return True
    model.set_attn_implementation(before)
    return False
