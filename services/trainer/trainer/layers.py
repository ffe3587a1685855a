"""The repeated layers of a model, and activation checkpointing of each."""

from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer


def layers_of(model: nn.Module) -> list[nn.Module]:
    """What transformers itself counts as a layer, whatever the architecture."""
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def recompute_layers(model: nn.Module) -> None:
    """Keep only each layer's input; the backward pass computes the rest once more.

    transformers' own switch works in training mode only, which would also turn dropout on.
    """
    for layer in layers_of(model):
        layer.forward = recomputed(layer.forward)


def recomputed(forward: Any) -> Any:
    """`forward` whose insides are not kept."""
    return partial(checkpoint, forward, use_reentrant=False)
