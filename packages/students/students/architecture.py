"""The students' network: Qwen3, as small as asked."""

from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM


class Size(BaseModel):
    """The shape of a student."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    feed_forward: int = Field(gt=0)
    context: int = Field(gt=0)

    @model_validator(mode="after")
    def heads_divide(self) -> Self:
        # Rotary positions turn pairs of a head's numbers, so a head has an even width.
        if self.hidden % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError("hidden must be a multiple of twice the heads, and heads a multiple of kv_heads")
        return self


def small_qwen3(hidden: int, layers: int, heads: int, context: int) -> Size:
    """Qwen3's customary proportions. Raises ValueError where the heads do not divide the width."""
    return Size(
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=max(1, heads // 2),
        feed_forward=3 * hidden,
        context=context,
    )


def new_student(size: Size, tokenizer: PreTrainedTokenizerFast, seed: int, spread: float) -> Qwen3ForCausalLM:
    """A fresh network in fp32 with tied embeddings; `spread` is the standard deviation of the first weights."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        head_dim=size.hidden // size.heads,
        max_position_embeddings=size.context,
        tie_word_embeddings=True,
        initializer_range=spread,
        attn_implementation="sdpa",
        use_cache=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    return Qwen3ForCausalLM(config)
