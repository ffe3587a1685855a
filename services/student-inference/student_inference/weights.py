"""Weights of a student: read from safetensors in Hugging Face layout, checked, and fused for the forward pass."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from student_inference.config import ModelConfig, ModelError, read_config, read_json
from student_inference.rope import interleave

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


def load_weights(directory: Path, config: ModelConfig, dtype: torch.dtype) -> Weights:
    """Read a checkpoint of exactly this config.

    Raises ModelError for another config, a missing or corrupt shard, missing or unknown names, wrong shapes or
    values that are not finite (one NaN in a shared cache block would spread to other requests).
    """
    if read_config(directory) != config:
        raise ModelError(f"{directory / 'config.json'}: differs from the served model's shape; only weights can change")
    return weights_from((pair for shard in shards(directory) for pair in read_shard(shard)), config, dtype)


def weights_from(named: Iterable[tuple[str, Tensor]], config: ModelConfig, dtype: torch.dtype) -> Weights:
    """Weights from tensors in Hugging Face layout. Raises ModelError as `load_weights` does."""
    expected = dict(tensor_shapes(config))
    tensors: dict[str, Tensor] = {}
    for name, tensor in named:
        if expect_tensor(name, tuple(tensor.shape), expected):
            tensors[name] = finite(name, tensor).to(dtype)
    missing = sorted(expected.keys() - tensors.keys())
    if missing:
        raise ModelError(f"{len(missing)} tensors are missing, first {missing[0]!r}")
    return fuse(tensors, config)


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
    if not torch.isfinite(tensor).all():
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


def fuse(tensors: dict[str, Tensor], config: ModelConfig) -> Weights:
    """Stack projections that share their input: fewer, larger matrix products per step."""
    embedding = tensors["model.embed_tokens.weight"]
    return Weights(
        embedding=embedding,
        layers=tuple(fuse_layer(tensors, f"model.layers.{index}.", config) for index in range(config.num_layers)),
        norm=tensors["model.norm.weight"],
        head=embedding if config.tied_head else tensors[TIED_HEAD],
    )


def fuse_layer(tensors: dict[str, Tensor], prefix: str, config: ModelConfig) -> Layer:
    attention = prefix + "self_attn."

    def stacked(kind: str) -> Tensor:
        q, k, v = (tensors[f"{attention}{part}_proj.{kind}"] for part in "qkv")
        turned = [interleave(part.view(-1, config.head_dim, *part.shape[1:])).flatten(0, 1) for part in (q, k)]
        return torch.cat([*turned, v])

    def head_norm(part: str, heads: int) -> Tensor:
        return interleave(tensors[f"{attention}{part}_norm.weight"][None]).expand(heads, -1)

    qk_norm = None
    if config.qk_norm:
        qk_norm = torch.cat([head_norm("q", config.num_heads), head_norm("k", config.num_kv_heads)])
    return Layer(
        attention_norm=tensors[prefix + "input_layernorm.weight"],
        qkv=stacked("weight"),
        qkv_bias=stacked("bias") if config.qkv_bias else None,
        qk_norm=qk_norm,
        out=tensors[attention + "o_proj.weight"],
        out_bias=tensors.get(attention + "o_proj.bias"),
        mlp_norm=tensors[prefix + "post_attention_layernorm.weight"],
        gate_up=torch.cat([tensors[f"{prefix}mlp.{part}_proj.weight"] for part in ("gate", "up")]),
        down=tensors[prefix + "mlp.down_proj.weight"],
    )
