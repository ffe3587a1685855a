"""The shape of a student, read from a Hugging Face directory's `config.json` without importing transformers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARCHITECTURES = ("Qwen3ForCausalLM", "Qwen2ForCausalLM", "LlamaForCausalLM")
DEFAULT_ROPE_THETA = 10_000.0


class ModelError(ValueError):
    """A model directory that this engine cannot run; the message names the file or key and the fix."""


@dataclass(frozen=True)
class ModelConfig:
    """What the forward pass depends on. Two checkpoints with equal configs can be swapped for one another."""

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    context_length: int
    norm_eps: float
    rope_theta: float
    rope_scaling: tuple[tuple[str, float], ...]
    tied_head: bool
    qk_norm: bool
    qkv_bias: bool
    out_bias: bool

    @property
    def group_size(self) -> int:
        """Query heads that share one key/value head."""
        return self.num_heads // self.num_kv_heads


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ModelError when it is missing or not an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give a Hugging Face model directory") from error
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: must hold a JSON object")
    return value


def read_config(directory: Path) -> ModelConfig:
    """Parse `config.json`. Raises ModelError for an architecture or option that this engine does not implement."""
    raw = read_json(directory / "config.json")
    architecture = (raw.get("architectures") or ["?"])[0]
    if architecture not in ARCHITECTURES:
        raise ModelError(f"config.json: architectures {architecture!r} is not one of {', '.join(ARCHITECTURES)}")
    refuse_unsupported(raw)
    theta, scaling = read_rope(raw)
    try:
        heads, hidden = int(raw["num_attention_heads"]), int(raw["hidden_size"])
        attention_bias = bool(raw.get("attention_bias", False))
        config = ModelConfig(
            architecture=architecture,
            vocab_size=int(raw["vocab_size"]),
            hidden_size=hidden,
            intermediate_size=int(raw["intermediate_size"]),
            num_layers=int(raw["num_hidden_layers"]),
            num_heads=heads,
            num_kv_heads=int(raw.get("num_key_value_heads") or heads),
            head_dim=int(raw.get("head_dim") or hidden // heads),
            context_length=int(raw["max_position_embeddings"]),
            norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
            rope_theta=theta,
            rope_scaling=scaling,
            tied_head=bool(raw.get("tie_word_embeddings", False)),
            qk_norm=architecture == "Qwen3ForCausalLM",
            qkv_bias=architecture == "Qwen2ForCausalLM" or attention_bias,
            out_bias=architecture != "Qwen2ForCausalLM" and attention_bias,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"config.json: missing or malformed key: {error}") from error
    if config.num_heads % config.num_kv_heads or config.head_dim % 2:
        raise ModelError("config.json: num_attention_heads must divide by num_key_value_heads, head_dim by 2")
    return config


def refuse_unsupported(raw: dict[str, Any]) -> None:
    """Raise ModelError for options that would change the result if they were ignored."""
    full_attention = set(raw.get("layer_types") or ["full_attention"]) == {"full_attention"}
    allowed = {
        "hidden_act": raw.get("hidden_act", "silu") == "silu",
        "layer_types": full_attention,
        "use_sliding_window": not raw.get("use_sliding_window", False),
        "quantization_config": raw.get("quantization_config") is None,
        "mlp_bias": not raw.get("mlp_bias", False),
        "partial_rotary_factor": raw.get("partial_rotary_factor", 1.0) == 1.0,
    }
    for key, fine in allowed.items():
        if not fine:
            raise ModelError(
                f"config.json: {key} = {raw[key]!r} is not supported by the CPU engine; serve it by SGLang"
            )


def read_rope(raw: dict[str, Any]) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Base and scaling of the rotary embedding, from transformers 5 (`rope_parameters`) or older layouts."""
    rope = {**(raw.get("rope_scaling") or {}), **(raw.get("rope_parameters") or {})}
    kind = rope.get("rope_type", rope.get("type", "default"))
    theta = float(rope.get("rope_theta", raw.get("rope_theta", DEFAULT_ROPE_THETA)))
    if kind == "default":
        return theta, ()
    needed = {
        "linear": ("factor",),
        "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    }
    if kind not in needed:
        raise ModelError(f"config.json: rope_type {kind!r} is not one of default, linear, llama3")
    missing = [key for key in needed[kind] if key not in rope]
    if missing:
        raise ModelError(f"config.json: rope_parameters lacks {', '.join(missing)}")
    return theta, tuple((key, float(rope[key])) for key in needed[kind])


def read_eos_ids(directory: Path) -> frozenset[int]:
    """Ids that end a generation: `eos_token_id` of config.json and generation_config.json, as SGLang merges them."""
    ids: set[int] = set()
    for name in ("config.json", "generation_config.json"):
        if (directory / name).exists():
            value = read_json(directory / name).get("eos_token_id")
            ids.update([value] if isinstance(value, int) else value or [])
    return frozenset(ids)
