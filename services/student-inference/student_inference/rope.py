"""Rotary position embedding as a table of unit complex numbers.

Rotating a pair of channels by an angle is one complex multiplication. Hugging Face pairs channel i with i + D/2; a
complex view needs the two side by side, so the loader interleaves the rows of the query and key projections
(`weights.interleaved`), which leaves every attention score unchanged.
"""

import math

import torch
from torch import Tensor

from student_inference.config import ModelConfig


def rotation_table(config: ModelConfig, context_length: int) -> Tensor:
    """exp(i * position * frequency) of shape [context_length, head_dim / 2], complex64."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = scale_frequencies(1.0 / config.rope_theta**exponents, dict(config.rope_scaling))
    angles = torch.outer(torch.arange(context_length, dtype=torch.float32), frequencies)
    return torch.polar(torch.ones_like(angles), angles)


def scale_frequencies(frequencies: Tensor, scaling: dict[str, float]) -> Tensor:
    """Stretch the frequencies as `rope_type` linear or llama3 says (Llama 3.1 report, section 3.4.3)."""
    if not scaling:
        return frequencies
    stretched = frequencies / scaling["factor"]
    if "low_freq_factor" not in scaling:
        return stretched
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return kept * frequencies + (1 - kept) * stretched
