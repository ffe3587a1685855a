"""The forward pass of Qwen3, Qwen2 and Llama-shaped students over a paged cache.

Axes: B requests, S new tokens of each (padded), N = B * S, H query heads, K key/value heads, G = H / K, D channels of a
head, V vocabulary.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import embedding, silu

from student_inference.config import ModelConfig
from student_inference.memory import Memory
from student_inference.norm import Norm
from student_inference.products import add_product, is_packable, packed, product, wide_product
from student_inference.rope import rotation_table
from student_inference.weights import Layer, Weights, empty_weights

MATRICES = ("qkv", "out", "gate_up", "down")


@dataclass(frozen=True)
class ForwardBatch:
    """The new tokens, where they stand, and which cached positions each of them may see."""

    tokens_BS: Tensor
    positions_BS: Tensor
    memory: Memory


@dataclass(frozen=True)
class Newest:
    """The last new token of each request, its place among all N, and what it sees."""

    places_B: Tensor
    memory: Memory


class GivenUp(Exception):
    """A forward pass was told to end. What it stored is what the same pass stores when it is done again."""


class Model:
    """Weights of one policy version and the function they define."""

    def __init__(self, config: ModelConfig, weights: Weights, context_length: int) -> None:
        self.config = config
        self.weights = weights
        # As they are multiplied: packed one by one.
        self.layers, self.head = list(weights.layers), weights.head
        self.unpacked = deque(range(config.num_layers))
        self.normalise = Norm(config.norm_eps)
        # Queries and keys each carry the root of the attention's scale.
        self.rotations = rotation_table(config, context_length) * config.head_dim**-0.25

    def pack(self) -> None:
        """Copy the weights of one more layer into the order in which they are multiplied fastest, until all are.

        Whoever waits for the first token does not wait for that.
        """
        if self.unpacked:
            index = self.unpacked.popleft()
            self.layers[index] = packed_layer(self.layers[index])
            if not self.unpacked:
                self.head = packed(self.head)

    def forward(
        self, batch: ForwardBatch, *, newest: Newest | None = None, given_up: Callable[[], bool] = lambda: False
    ) -> Tensor:
        """Final hidden states [N, hidden] of the new tokens; their keys and values are stored.

        With `newest`, only its states [B, hidden]: then the last layer has but those to compute. Raises GivenUp when
        `given_up` says so before a layer.
        """
        x, memory = embedding(batch.tokens_BS.flatten(), self.weights.embedding), batch.memory
        rotations = self.rotations[batch.positions_BS.flatten()].unsqueeze(1)
        for index, layer in enumerate(self.layers):
            if given_up():
                raise GivenUp
            normed = self.normalise(x, layer.attention_norm)
            q, k, v = self.project(layer, normed, rotations)
            memory.store(index, k, v)
            if newest is not None and index == self.config.num_layers - 1:
                x, q, memory = x[newest.places_B], q[newest.places_B], newest.memory
            add_product(x, memory.attend(index, q), layer.out)
            if layer.out_bias is not None:
                x.add_(layer.out_bias)
            normed = self.normalise(x, layer.mlp_norm)
            add_product(x, gated(layer, normed), layer.down)
        return self.normalise(x, self.weights.norm)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., hidden] to fp32 logits [..., V]."""
        return product(hidden, self.head).float()

    def project(self, layer: Layer, x: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [N, H, D], keys and values [N, K, D]; queries and keys normalised (Qwen3), rotated and
        scaled by the fourth root of 1/D."""
        heads = self.config.num_heads
        qkv = product(x, layer.qkv, layer.qkv_bias).view(len(x), -1, self.config.head_dim)
        qk, v = qkv.tensor_split([heads + self.config.num_kv_heads], dim=1)
        if layer.qk_norm is not None:
            qk = self.normalise(qk, layer.qk_norm)
        pairs = torch.view_as_complex(qk.float().view(len(x), qk.shape[1], -1, 2))
        qk = torch.view_as_real(pairs * rotations).flatten(-2).to(x.dtype)
        return qk[:, :heads], qk[:, heads:], v


def packed_layer(layer: Layer) -> Layer:
    return replace(layer, **{name: packed(getattr(layer, name)) for name in MATRICES})


def packed_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
    """Of all copies that `Model.pack` makes."""
    with torch.device("meta"):
        weights = empty_weights(config, dtype)
    matrices = [getattr(layer, name) for layer in weights.layers for name in MATRICES]
    return sum(matrix.nbytes for matrix in [*matrices, weights.head] if is_packable(matrix))


def gated(layer: Layer, x: Tensor) -> Tensor:
    """The gated MLP before its last product, [N, inner]."""
    gate, up = wide_product(x, layer.gate_up).chunk(2, -1)
    return silu(gate).mul_(up)
