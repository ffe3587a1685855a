"""Products of activations with weights, by whichever of four ways is fastest for their shapes.

What is fastest, benchmarks/products.py measures.

Axes: N tokens, I channels in, O channels out.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

# From here on oneDNN is faster than the library behind `linear` (MKL), in fp32; below it costs more to call.
LARGE = 2**21
# So few tokens stand in columns, weights to their left, where the outputs are many.
FEW_TOKENS = 8
FEW_BEFORE_LARGE = 3
BUILT_IN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
# What torch's own compiler calls; torch has no public name for it.
ONEDNN: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if BUILT_IN else None
REORDER: Any = getattr(torch.ops.mkldnn, "_reorder_linear_weight", None) if BUILT_IN else None
# So many tokens are multiplied when it is decided how packed weights lie; others may be.
PACKED_FOR = 32


def product(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """[N, O]."""
    if is_for_onednn(weight_OI):
        result: Tensor = ONEDNN(x_NI, weight_OI, bias_O, "none", [], "")
        return result
    return linear(x_NI, weight_OI, bias_O)


def wide_product(x_NI: Tensor, weight_OI: Tensor) -> Tensor:
    """[N, O], O a multiple of I."""
    few = FEW_BEFORE_LARGE if is_large(weight_OI) else FEW_TOKENS
    if not is_packed(weight_OI) and 1 < len(x_NI) <= few:
        return (weight_OI @ x_NI.t()).t()
    return product(x_NI, weight_OI)


def add_product(sum_NO: Tensor, x_NI: Tensor, weight_OI: Tensor) -> None:
    """Add it to the sum, in place."""
    if is_for_onednn(weight_OI):
        sum_NO.add_(product(x_NI, weight_OI))
    else:
        sum_NO.addmm_(x_NI, weight_OI.t())


def is_for_onednn(weight: Tensor) -> bool:
    return is_packed(weight) or is_large(weight)


def packed(weight_OI: Tensor) -> Tensor:
    """A copy in the order in which oneDNN reads it; the weight itself where that gains too little for its memory."""
    if not is_packable(weight_OI):
        return weight_OI
    copy: Tensor = REORDER(weight_OI, PACKED_FOR)
    return copy


def is_packable(weight: Tensor) -> bool:
    return REORDER is not None and weight.dtype == torch.float32 and not is_large(weight)


def is_packed(weight: Tensor) -> bool:
    return weight.is_mkldnn


def is_large(weight: Tensor) -> bool:
    return ONEDNN is not None and weight.numel() >= LARGE and weight.dtype == torch.float32
