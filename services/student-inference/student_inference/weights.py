"""Weights of a student as the forward pass wants them, fused, and where each tensor in Hugging Face layout belongs."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from student_inference.config import ModelConfig

TIED_HEAD = "lm_head.weight"


@dataclass(frozen=True)
class Layer:
    """One block. qkv stacks query, key and value projections, gate_up both halves of the gated MLP."""

    attention_norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    qk_norm: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class Weights:
    """All tensors of one policy version."""

    embedding: Tensor
    layers: tuple[Layer, ...]
    norm: Tensor
    head: Tensor


def tensor_shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor that a checkpoint of this config must hold."""
    hidden, inner, D = config.hidden_size, config.intermediate_size, config.head_dim
    widths = {"q": config.num_heads * D, "k": config.num_kv_heads * D, "v": config.num_kv_heads * D}
    yield "model.embed_tokens.weight", (config.vocab_size, hidden)
    yield "model.norm.weight", (hidden,)
    if not config.tied_head:
        yield TIED_HEAD, (config.vocab_size, hidden)
    for index in range(config.num_layers):
        prefix = f"model.layers.{index}."
        yield prefix + "input_layernorm.weight", (hidden,)
        yield prefix + "post_attention_layernorm.weight", (hidden,)
        for part, width in widths.items():
            yield f"{prefix}self_attn.{part}_proj.weight", (width, hidden)
            if config.qkv_bias:
                yield f"{prefix}self_attn.{part}_proj.bias", (width,)
        yield prefix + "self_attn.o_proj.weight", (hidden, widths["q"])
        if config.out_bias:
            yield prefix + "self_attn.o_proj.bias", (hidden,)
        if config.qk_norm:
            yield prefix + "self_attn.q_norm.weight", (D,)
            yield prefix + "self_attn.k_norm.weight", (D,)
        yield prefix + "mlp.gate_proj.weight", (inner, hidden)
        yield prefix + "mlp.up_proj.weight", (inner, hidden)
        yield prefix + "mlp.down_proj.weight", (hidden, inner)


def weight_bytes(config: ModelConfig) -> int:
    """Of all tensors in fp32."""
    return sum(4 * prod(shape) for _, shape in tensor_shapes(config))


def empty_weights(config: ModelConfig, dtype: torch.dtype) -> Weights:
    """Room for one set of weights. Projections that share their input are stacked: fewer, larger matrix products."""
    embedding = torch.empty(config.vocab_size, config.hidden_size, dtype=dtype)
    return Weights(
        embedding=embedding,
        layers=tuple(empty_layer(config, dtype) for _ in range(config.num_layers)),
        norm=torch.empty(config.hidden_size, dtype=dtype),
        head=embedding if config.tied_head else torch.empty_like(embedding),
    )


def empty_layer(config: ModelConfig, dtype: torch.dtype) -> Layer:
    hidden, inner, D = config.hidden_size, config.intermediate_size, config.head_dim
    turned = config.num_heads + config.num_kv_heads  # heads that are rotated: queries and keys

    def room(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=dtype)

    return Layer(
        attention_norm=room(hidden),
        qkv=room((turned + config.num_kv_heads) * D, hidden),
        qkv_bias=room((turned + config.num_kv_heads) * D) if config.qkv_bias else None,
        qk_norm=room(turned, D) if config.qk_norm else None,
        out=room(hidden, config.num_heads * D),
        out_bias=room(hidden) if config.out_bias else None,
        mlp_norm=room(hidden),
        gate_up=room(2 * inner, hidden),
        down=room(hidden, inner),
    )


Place = tuple[Tensor, tuple[int, ...]]
"""A view of fused weights, and the shape in which a tensor in Hugging Face layout is copied into it."""


def places_of(weights: Weights, config: ModelConfig) -> Iterator[tuple[str, Place]]:
    """Where each tensor of `tensor_shapes` belongs."""
    yield "model.embed_tokens.weight", as_it_is(weights.embedding)
    yield "model.norm.weight", as_it_is(weights.norm)
    yield TIED_HEAD, as_it_is(weights.head)
    for index, layer in enumerate(weights.layers):
        for name, place in places_in(layer, config):
            yield f"model.layers.{index}.{name}", place


def places_in(layer: Layer, config: ModelConfig) -> Iterator[tuple[str, Place]]:
    inner = config.intermediate_size
    yield "input_layernorm.weight", as_it_is(layer.attention_norm)
    yield "post_attention_layernorm.weight", as_it_is(layer.mlp_norm)
    yield "self_attn.o_proj.weight", as_it_is(layer.out)
    yield "mlp.gate_proj.weight", as_it_is(layer.gate_up[:inner])
    yield "mlp.up_proj.weight", as_it_is(layer.gate_up[inner:])
    yield "mlp.down_proj.weight", as_it_is(layer.down)
    if layer.out_bias is not None:
        yield "self_attn.o_proj.bias", as_it_is(layer.out_bias)
    heads, kv_heads, D = config.num_heads, config.num_kv_heads, config.head_dim
    for kind, stacked in (("weight", layer.qkv), ("bias", layer.qkv_bias)):
        if stacked is not None:
            q, k, v = stacked.tensor_split([heads * D, (heads + kv_heads) * D])
            yield f"self_attn.q_proj.{kind}", interleaved(q, D)
            yield f"self_attn.k_proj.{kind}", interleaved(k, D)
            yield f"self_attn.v_proj.{kind}", as_it_is(v)
    if layer.qk_norm is not None:
        for part, norm in zip("qk", layer.qk_norm.tensor_split([heads]), strict=True):
            place, (_, *shape) = interleaved(norm.flatten(), D)
            yield f"self_attn.{part}_norm.weight", (place, (1, *shape))  # one for all heads


def as_they_come(place: Place, count: int) -> Tensor | None:
    """The flat memory of a place where the `count` numbers of its tensor lie in their own order; None: they do not."""
    view, _ = place
    return view.view(-1) if view.is_contiguous() and view.numel() == count else None


def as_it_is(tensor: Tensor) -> Place:
    return tensor, tuple(tensor.shape)


def interleaved(rows: Tensor, D: int) -> Place:
    """Channels of each head in the order that `rope` wants: 0, D/2, 1, D/2 + 1, ..."""
    halves = rows.view(-1, D // 2, 2, *rows.shape[1:]).transpose(1, 2)
    return halves, tuple(halves.shape)
