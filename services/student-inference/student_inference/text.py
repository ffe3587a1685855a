"""Text of token ids, where the model directory has a tokenizer. Training uses ids only."""

from pathlib import Path

from tokenizers import Tokenizer

from student_inference.config import ModelError, read_json

# As in SGLang: some tokenizers write a token otherwise at the beginning of a text (without the space before it).
CONTEXT_TOKENS = 5


class TextCodec:
    """A tokenizer, or the empty string for every list of ids when the directory has none."""

    def __init__(self, directory: Path) -> None:
        path = directory / "tokenizer.json"
        self._tokenizer = read_tokenizer(path) if path.exists() else None
        self.eos_ids = self._read_eos(directory)

    @property
    def available(self) -> bool:
        return self._tokenizer is not None

    def encode(self, text: str) -> list[int]:
        """Ids with the tokenizer's own special tokens. Raises ModelError without a tokenizer."""
        if self._tokenizer is None:
            raise ModelError("the model directory has no tokenizer.json; send input_ids")
        return list(self._tokenizer.encode(text).ids)

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return "" if self._tokenizer is None else str(self._tokenizer.decode(ids, skip_special_tokens))

    def decode_after(self, before: list[int], ids: list[int], skip_special_tokens: bool = True) -> str:
        """What the ids add to the text of those before them."""
        known = before[-CONTEXT_TOKENS:]
        return self.decode(known + ids, skip_special_tokens)[len(self.decode(known, skip_special_tokens)) :]

    def decode_all(self, ids: list[int]) -> str:
        """Special tokens included: stop texts may name them."""
        return self.decode(ids, skip_special_tokens=False)

    def _read_eos(self, directory: Path) -> frozenset[int]:
        """The id of the tokenizer's end token, which ends a generation even when config.json does not name it."""
        path = directory / "tokenizer_config.json"
        if self._tokenizer is None or not path.exists():
            return frozenset()
        token = read_json(path).get("eos_token")
        text = token.get("content") if isinstance(token, dict) else token
        found = self._tokenizer.token_to_id(text) if isinstance(text, str) else None
        return frozenset() if found is None else frozenset({found})


def read_tokenizer(path: Path) -> Tokenizer:
    # The library raises bare Exception for a malformed file: check what it would trip over first.
    if "model" not in read_json(path):
        raise ModelError(f"{path}: not a tokenizer of the tokenizers library")
    return Tokenizer.from_file(str(path))
