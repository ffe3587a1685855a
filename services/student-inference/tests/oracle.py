"""The oracle: tiny random students made and scored by transformers' own model code."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

SHAPE: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "eos_token_id": 1,
    "bos_token_id": None,
    "pad_token_id": None,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CONFIGS = {
    "qwen3": Qwen3Config(**SHAPE, head_dim=12, tie_word_embeddings=True),
    "qwen3_theta_untied": Qwen3Config(
        **SHAPE, head_dim=8, tie_word_embeddings=False, rope_parameters={"rope_type": "default", "rope_theta": 777.0}
    ),
    "qwen3_biases": Qwen3Config(**SHAPE, head_dim=12, tie_word_embeddings=True, attention_bias=True),
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen2_linear_rope": Qwen2Config(
        **SHAPE,
        tie_word_embeddings=True,
        rms_norm_eps=0.01,
        attention_bias=True,  # a key that this architecture does not know
        rope_parameters={"rope_type": "linear", "rope_theta": 500.0, "factor": 3.0},
    ),
    "llama": LlamaConfig(**SHAPE, tie_word_embeddings=False, attention_bias=True),
    "llama3_rope": LlamaConfig(**{**SHAPE, "num_key_value_heads": 1}, rope_parameters=LLAMA3_ROPE),
}


def make_student(directory: Path, kind: str, seed: int, **save: Any) -> Path:
    """Save a student whose every parameter, norms and biases included, is random and matters."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind]).float()
    for name, parameter in model.named_parameters():
        spread = torch.randn_like(parameter)
        parameter.data = 1 + 0.3 * spread if "norm" in name else 0.25 * spread
    model.save_pretrained(directory, **save)
    return directory


def oracle_logprobs(directory: Path, tokens: list[int], temperature: float = 1.0) -> Tensor:
    """log_softmax(logits / temperature) after every token, [len(tokens), vocab]."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    with torch.inference_mode():
        logits = model(torch.tensor([tokens])).logits[0]
    return torch.log_softmax(logits.float() / temperature, -1)


def chosen(logprobs: Tensor, prompt: list[int], output: list[int]) -> Tensor:
    """The oracle's log-probability of each output token."""
    rows = logprobs[len(prompt) - 1 : len(prompt) + len(output) - 1]
    return rows.gather(1, torch.tensor(output).unsqueeze(1)).squeeze(1)


def near(values: list[float], expected: Tensor, tolerance: float = 1e-4) -> bool:
    return bool((torch.tensor(values) - expected).abs().max() <= tolerance)
