"""Loads and models of `generation.py`."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, Qwen3Config

REQUESTS, PROMPT_TOKENS, VOCABULARY = 64, 100, 1024


@dataclass(frozen=True)
class Case:
    """64 episodes at once. Between two attempts of an episode, guidance is appended to its context."""

    questions: int
    """Different first prompts; the others are members of their groups."""
    attempts: int
    new_tokens: int
    guidance_tokens: int = 20
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    @property
    def tokens(self) -> int:
        """Generated in one run."""
        return REQUESTS * self.attempts * self.new_tokens

    def prompts(self) -> list[list[int]]:
        """Fresh ones at every call: nothing of an earlier run is cached."""
        return [self.some_tokens(PROMPT_TOKENS) for _ in range(self.questions)] * (REQUESTS // self.questions)

    def guidance(self) -> list[int]:
        return self.some_tokens(self.guidance_tokens)

    def some_tokens(self, count: int) -> list[int]:
        return [self.rng.randrange(3, VOCABULARY) for _ in range(count)]


CASES = {"plain": Case(64, attempts=1, new_tokens=100), "shared": Case(8, attempts=3, new_tokens=40)}
SHAPES = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2},
    "mid": {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4},
}


def make_model(directory: Path, size: str) -> None:
    """A random Qwen3-shaped student with a tokenizer of numbered words."""
    torch.manual_seed(0)
    shape = SHAPES[size]
    config = Qwen3Config(
        **shape,
        vocab_size=VOCABULARY,
        head_dim=32,
        intermediate_size=3 * shape["hidden_size"],
        tie_word_embeddings=True,
        max_position_embeddings=1024,
        eos_token_id=1,
    )
    AutoModelForCausalLM.from_config(config).float().save_pretrained(directory)
    words = {f"w{number}": number for number in range(VOCABULARY)}
    Tokenizer(models.WordLevel(words, unk_token="w0")).save(str(directory / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "w0", "eos_token": "w1", "pad_token": "w2"}
    (directory / "tokenizer_config.json").write_text(json.dumps(named))
