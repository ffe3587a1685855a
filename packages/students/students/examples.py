"""From dialogues to token ids with a loss mask, through the chat template that inference will use.

Axes: B dialogues of a batch, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tasks.supervision import Turn
from torch import Tensor
from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Example:
    """Token ids of a whole dialogue, and 1 where the student should learn to write the token."""

    ids: list[int]
    mask: list[int]


@dataclass(frozen=True)
class Batch:
    """Right-padded: with causal attention no real token sees the padding, so no attention mask is needed."""

    ids_BT: Tensor
    mask_BT: Tensor


def encode(tokenizer: PreTrainedTokenizerFast, turns: Sequence[Turn], system: str | None = None) -> Example:
    """Render the turns piece by piece as the template's own deltas; the end-of-turn token is learned too."""
    messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
    ids: list[int] = []
    mask: list[int] = []
    before = ""
    for turn in turns:
        messages.append({"role": "user", "content": turn.user})
        prompt = render(tokenizer, messages, add_generation_prompt=True)
        messages.append({"role": "assistant", "content": turn.assistant})
        whole = render(tokenizer, messages, add_generation_prompt=False)
        for text, learned in ((prompt[len(before) :], 0), (whole[len(prompt) :], int(turn.learn))):
            piece = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
            ids += piece
            mask += [learned] * len(piece)
        before = whole
    return Example(ids, mask)


def render(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
    """The template's text."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
    assert isinstance(text, str)
    return text


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """Pad at the right to the longest of the batch."""
    width = max(len(example.ids) for example in examples)
    ids = [example.ids + [pad_id] * (width - len(example.ids)) for example in examples]
    mask = [example.mask + [0] * (width - len(example.mask)) for example in examples]
    return Batch(torch.tensor(ids), torch.tensor(mask, dtype=torch.bool))
