"""Many trajectories in one row, without padding, each token once: trajectories that begin alike share their beginning.

Axes: U tokens of the row, T tokens of one trajectory, B trajectories.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from contracts.trajectories import CONTEXT, Trajectory
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Strand:
    """Where a trajectory lies in the row: a beginning that an earlier strand may have laid, and its own tokens."""

    shared: slice
    own: slice

    @property
    def shared_tokens(self) -> int:
        """Tokens of the beginning that are not its own."""
        return int(self.shared.stop - self.shared.start)

    @property
    def own_tokens(self) -> int:
        """Tokens that only this strand laid."""
        return int(self.own.stop - self.own.start)

    def places(self, columns: np.ndarray) -> np.ndarray:
        """Where the trajectory's tokens at these columns lie in the row."""
        own = self.own.start + columns - self.shared_tokens
        found: np.ndarray = np.where(columns < self.shared_tokens, self.shared.start + columns, own)
        return found


@dataclass(frozen=True)
class Layout:
    """The strands of a row, in its order, and how deep in its trajectory each token stands."""

    strands: tuple[Strand, ...]
    depths_U: Tensor

    def to(self, device: torch.device) -> "Layout":
        """With its tensor there."""
        return replace(self, depths_U=self.depths_U.to(device))

    def first(self) -> "Layout":
        """The first strand alone."""
        return Layout(self.strands[:1], self.depths_U[: self.strands[0].own.stop])

    def wholes(self, values_U: Tensor, dim: int) -> Iterator[Tensor]:
        """The trajectories' parts of a tensor along the row.

        Cut in one piece: the gradient of a cut is joined once, that of a slice is a whole row of zeros for each strand.
        """
        owner = None
        owns = torch.split(values_U, [strand.own_tokens for strand in self.strands], dim)
        for strand, own in zip(self.strands, owns, strict=True):
            if owner is None or not strand.shared_tokens:
                owner = own
                yield own
            else:
                yield torch.cat([owner.narrow(dim, 0, strand.shared_tokens), own], dim)

    def unrolled(self, values_U: Tensor) -> Tensor:
        """[B, T] of the row: each strand whole, with zeros on the right where a causal model never looks."""
        return pad_sequence(list(self.wholes(values_U, dim=0)), batch_first=True)

    def rolled(self, values_BT: Tensor) -> Tensor:
        """The inverse of `unrolled` (further axes may follow)."""
        parts = [
            row_T.narrow(0, strand.shared_tokens, strand.own_tokens)
            for row_T, strand in zip(values_BT, self.strands, strict=True)
        ]
        return torch.cat(parts)


def beginning(trajectory: Trajectory) -> int:
    """Tokens before the first that the student said: what the episodes of one question have in common."""
    return next(
        (place for place, attempt in enumerate(trajectory.attempt_T) if attempt != CONTEXT),
        len(trajectory.token_ids_T),
    )


def lay(trajectories: Sequence[Trajectory]) -> tuple[list[int], Layout]:
    """The row's token ids and its layout. Trajectories that share a beginning must stand behind each other."""
    tokens_U: list[int] = []
    depths_U: list[int] = []
    strands: list[Strand] = []
    laid: tuple[list[int], int] | None = None  # the beginning at hand, and where it lies
    for trajectory in trajectories:
        head = trajectory.token_ids_T[: beginning(trajectory)]
        start, skipped = len(tokens_U), 0
        if laid is not None and laid[0] == head:
            skipped = len(head)
        else:
            laid = (head, start)
        tokens_U += trajectory.token_ids_T[skipped:]
        depths_U += range(skipped, len(trajectory.token_ids_T))
        strands.append(Strand(slice(laid[1], laid[1] + skipped), slice(start, len(tokens_U))))
    return tokens_U, Layout(tuple(strands), torch.tensor(depths_U))
