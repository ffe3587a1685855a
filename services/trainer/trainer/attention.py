"""Attention over a row of strands, behind transformers' own interface: the model's code stays as it is.

Axes: U tokens of the row, H heads, D size of a head.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from trainer.layout import Layout

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
    for strand in layout.strands:
        query, key, value = (strand.whole(part, dim=2) for part in (query_1HUD, key_1HUD, value_1HUD))
        grouped = query.shape[1] != key.shape[1]
        seen = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=grouped)
        parts.append(seen.narrow(2, strand.shared_tokens, strand.own_tokens))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attend)
