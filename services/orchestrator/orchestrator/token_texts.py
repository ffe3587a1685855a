"""Token ids of an answer -> the text of each token, for people who look at single tokens."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contracts.episode_views import TokenText
from contracts.episodes import Episode

from orchestrator.validation.students import find_student
from orchestrator.validation.validator import load_chat

# Decoding depends on neighbours (spaces, characters of several tokens), never on ones further away than this.
CONTEXT_TOKENS = 8
# What a decoder gives for the first bytes of a character whose last bytes are in the next token.
INCOMPLETE = "\ufffd"
KEPT_TOKENIZERS = 4


def pieces(decode: Callable[[Sequence[int]], str], token_ids: Sequence[int]) -> list[str]:
    """What each token adds to the text; the last token of a character has all of it."""
    texts = []
    for position in range(len(token_ids)):
        start = max(0, position - CONTEXT_TOKENS)
        before = decode(token_ids[start:position]).rstrip(INCOMPLETE)
        texts.append(decode(token_ids[start : position + 1]).rstrip(INCOMPLETE)[len(before) :])
    return texts


class TokenTexts:
    """Tokenizers by student, the latest used ones kept."""

    def __init__(self, model_roots: Sequence[Path]) -> None:
        self.model_roots = model_roots
        self._kept: OrderedDict[Path, Any] = OrderedDict()

    async def of(self, model: str, episode: Episode) -> list[list[TokenText]]:
        """For each attempt its tokens. Raises a 422 Problem when the student is gone."""
        return await asyncio.to_thread(self._read, model, episode)

    def _read(self, model: str, episode: Episode) -> list[list[TokenText]]:
        tokenizer = self._tokenizer(find_student(model, self.model_roots))
        control = set(tokenizer.all_special_ids)

        def decode(token_ids: Sequence[int]) -> str:
            text: str = tokenizer.decode(token_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            return text

        return [
            [
                TokenText(text=text, control=token_id in control)
                for text, token_id in zip(pieces(decode, attempt.token_ids), attempt.token_ids, strict=True)
            ]
            for attempt in episode.attempts
        ]

    def _tokenizer(self, directory: Path) -> Any:
        if directory not in self._kept:
            self._kept[directory] = load_chat(directory).tokenizer
            if len(self._kept) > KEPT_TOKENIZERS:
                self._kept.popitem(last=False)
        return self._kept[directory]
