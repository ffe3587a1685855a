"""Weights of a student: read from safetensors in Hugging Face layout, checked, and fused for the forward pass."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from student_inference.config import ModelConfig, ModelError, read_config, read_json

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
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


def load_weights(
    directory: Path,
    config: ModelConfig,
    dtype: torch.dtype,
    into: Weights | None = None,
    checksums: Mapping[str, str] | None = None,
) -> Weights:
    """Read a checkpoint of exactly this config; `into`: tensors that nobody uses any more, overwritten.

    checksums: SHA-256 by file name; every shard must be named and agree. Raises ModelError for another config, a
    missing or corrupt shard, missing or unknown names, wrong shapes or values that are not finite (one NaN in a shared
    cache block would spread to other requests).
    """
    if read_config(directory) != config:
        raise ModelError(f"{directory / 'config.json'}: differs from the served model's shape; only weights can change")
    files = shards(directory)
    with ThreadPoolExecutor(1) as beside:
        checked = beside.submit(check_files, files, checksums)
        weights = weights_from((pair for shard in files for pair in read_shard(shard)), config, dtype, into)
        checked.result()
    return weights


def weights_from(
    named: Iterable[tuple[str, Tensor]], config: ModelConfig, dtype: torch.dtype, into: Weights | None = None
) -> Weights:
    """Weights from tensors in Hugging Face layout. Raises ModelError as `load_weights` does."""
    expected = dict(tensor_shapes(config))
    weights = into or empty_weights(config, dtype)
    places = dict(places_of(weights, config))
    for name, tensor in named:
        if expect_tensor(name, tuple(tensor.shape), expected):
            place, shape = places[name]
            place.copy_(finite(name, tensor).reshape(shape))
            del expected[name]
    if expected:
        raise ModelError(f"{len(expected)} tensors are missing, first {min(expected)!r}")
    return weights


def check_files(files: list[Path], checksums: Mapping[str, str] | None) -> None:
    """Raises ModelError for a file that differs from its SHA-256 or has none; without checksums nothing is checked."""
    for path in files if checksums is not None else []:
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{path}: missing shard or unreadable ({error.strerror})") from error
        if found != (checksums or {}).get(path.name):
            raise ModelError(f"{path}: its SHA-256 is {found}, not the expected one; write it again")


def shards(directory: Path) -> list[Path]:
    """The safetensors files of a checkpoint. Raises ModelError when there is none or the index leads outside."""
    if not (directory / INDEX_FILE).exists():
        return [directory / SINGLE_FILE]
    weight_map = read_json(directory / INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{INDEX_FILE}: lacks weight_map")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name:
            raise ModelError(f"{INDEX_FILE}: shard {name!r} must be a plain file name")
    return [directory / name for name in names]


def read_shard(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of one file. Raises ModelError when it is missing, cut off or corrupt."""
    if not path.is_file():
        raise ModelError(f"{path}: missing shard")
    try:
        with safe_open(path, framework="pt") as shard:
            for name in shard.keys():  # noqa: SIM118  (safe_open is no mapping)
                yield name, shard.get_tensor(name)
    except SafetensorError as error:
        raise ModelError(f"{path}: corrupt safetensors file ({error})") from error


def expect_tensor(name: str, shape: tuple[int, ...], expected: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the model needs this tensor; False for one that it may have beside. ModelError for any other."""
    if name not in expected:
        if name == TIED_HEAD or name.endswith("rotary_emb.inv_freq"):
            return False
        raise ModelError(f"unknown tensor {name!r}")
    if shape != expected[name]:
        raise ModelError(f"{name}: shape {list(shape)}, expected {list(expected[name])}")
    return True


def finite(name: str, tensor: Tensor) -> Tensor:
    """The tensor itself when all its values are finite; else ModelError."""
    # One pass decides nearly always: a sum of finite values is finite unless it overflows.
    if not torch.isfinite(tensor.sum(dtype=torch.float32)) and not torch.isfinite(tensor).all():
        raise ModelError(f"{name}: holds NaN or infinite values")
    return tensor


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


def as_it_is(tensor: Tensor) -> Place:
    return tensor, tuple(tensor.shape)


def interleaved(rows: Tensor, D: int) -> Place:
    """Channels of each head in the order that `rope` wants: 0, D/2, 1, D/2 + 1, ..."""
    halves = rows.view(-1, D // 2, 2, *rows.shape[1:]).transpose(1, 2)
    return halves, tuple(halves.shape)
