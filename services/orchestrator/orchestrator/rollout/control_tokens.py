"""Keeps control tokens out of text that others wrote: guidance that says `<|im_end|>` must not end the turn."""

import re
from collections.abc import Callable, Collection
from typing import Any

from orchestrator.rollout.append_only import PROBES

# A Unicode noncharacter: never part of exchanged text, and no tokenizer's control token.
MARK = "\ufdd0"
HIDDEN = re.compile(f"{MARK}([0-9a-fA-F]*){MARK}")

Encode = Callable[[str], list[int]]
Decode = Callable[[list[int]], str]


class ControlTokens:
    """Encodes rendered chats so that only the template itself writes control tokens.

    `tokenizer` finds control tokens in text, `plain_tokenizer` is the same one made with `split_special_tokens=True`.
    """

    def __init__(self, tokenizer: Any, plain_tokenizer: Any) -> None:
        self._encode = encoder(tokenizer)
        self._encode_plain = encoder(plain_tokenizer)
        self.ids = control_ids(tokenizer)
        names = [tokenizer.convert_ids_to_tokens(token_id) for token_id in self.ids]
        longest_first = sorted([*names, MARK], key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def hide(self, text: str) -> str:
        """The text with each control token's name replaced by a marked hexadecimal copy, which survives a template."""
        return self.pattern.sub(lambda found: f"{MARK}{found[0].encode().hex()}{MARK}", text)

    def encode(self, rendered: str) -> list[int]:
        """Token ids of a rendered chat; what `hide` replaced becomes ordinary text again."""
        pieces = HIDDEN.split(rendered)
        ids: list[int] = []
        for index, piece in enumerate(pieces):
            if index % 2:
                ids.extend(self._plain(bytes.fromhex(piece).decode()))
            elif piece:
                ids.extend(self._encode(piece))
        return ids

    def _plain(self, text: str) -> list[int]:
        ids = self._encode_plain(text)
        if not self.ids.isdisjoint(ids):
            # A word-level vocabulary finds the control token as a word; apart, its characters are not that word.
            ids = self._encode_plain(" ".join(text))
        return without(ids, self.ids)


def encoder(tokenizer: Any) -> Encode:
    """Text to token ids, without added control tokens.

    transformers hands even one text to a pool of threads, which takes longer than the encoding: where the tokenizer
    below it gives the same tokens, it is asked directly.
    """

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    def encode_directly(text: str) -> list[int]:
        return list(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)

    names = [tokenizer.convert_ids_to_tokens(token_id) for token_id in control_ids(tokenizer)]
    probes = [*PROBES.values(), " ".join(names), "".join(names)]
    # transformers' call comes first: it sets how the tokenizer below reads control tokens, cuts and pads.
    expected = [encode(probe) for probe in probes]
    return encode_directly if tokenizer.is_fast and [encode_directly(one) for one in probes] == expected else encode


def decoder(tokenizer: Any) -> Decode:
    """Token ids to text without control tokens; asked directly where that gives the same text, as with `encoder`."""

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def decode_directly(ids: list[int]) -> str:
        return str(below.decode(ids, skip_special_tokens=True))

    if not tokenizer.is_fast:
        return decode
    below, encode = tokenizer.backend_tokenizer, encoder(tokenizer)
    probes = [*map(encode, PROBES.values()), list(control_ids(tokenizer)), encode("a , b . n't 's") * 2]
    return decode_directly if all(decode_directly(ids) == decode(ids) for ids in probes) else decode


def control_ids(tokenizer: Any) -> frozenset[int]:
    """Ids of the tokens that steer the dialogue. The unknown token is ordinary: any text may hold it."""
    added = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset((added | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id})


def without(ids: list[int], unwanted: Collection[int]) -> list[int]:
    """The ids, less the unwanted ones."""
    return [token_id for token_id in ids if token_id not in unwanted]
