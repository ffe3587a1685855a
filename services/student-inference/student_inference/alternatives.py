"""Log-probabilities of tokens that were not chosen: the most likely ones, or those that the request names.

Axes: P positions, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Scored = tuple[float, int]


@dataclass(frozen=True)
class Wanted:
    """What a request wants to know at every position."""

    top: int = 0
    """How many of the most likely tokens."""
    ids: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.top or self.ids)


NOTHING = Wanted()


@dataclass
class Alternatives:
    """(log-probability, token id) of each wanted token, one list for every position."""

    top: list[list[Scored]] = field(default_factory=list)
    ids: list[list[Scored]] = field(default_factory=list)

    def record(self, wanted: Wanted, logprobs_PV: Tensor) -> None:
        """Append the positions of these log-probabilities."""
        if wanted.top:
            values, tokens = logprobs_PV.topk(wanted.top, dim=-1)
            self.top += pairs(values, tokens.tolist())
        if wanted.ids:
            chosen = torch.tensor(wanted.ids)
            self.ids += pairs(logprobs_PV[:, chosen], [list(wanted.ids)] * len(logprobs_PV))

    def copy(self) -> "Alternatives":
        return Alternatives(list(self.top), list(self.ids))


def pairs(values: Tensor, tokens: Sequence[Sequence[int]]) -> list[list[Scored]]:
    return [list(zip(row, ids, strict=True)) for row, ids in zip(values.tolist(), tokens, strict=True)]
