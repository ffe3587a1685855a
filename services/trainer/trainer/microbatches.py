"""Whole trajectories, sorted by length and padded into micro-batches under a token budget.

Axes: B trajectories, T tokens, N student tokens of the whole micro-batch. Padding stands on the right, where a causal
model never looks at it from a real token, so no attention mask is needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from contracts.trajectories import CONTEXT, Trajectory
from torch import Tensor

from trainer.rewards import Floats

PADDING = 0


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass. Token n is read at `rows_N, positions_N` of the hidden states: one before where it stands."""

    rollouts_B: list[int]  # which of the trajectories that were packed
    token_ids_BT: Tensor
    rows_N: Tensor
    positions_N: Tensor
    targets_N: Tensor
    sampling_logprobs_N: Tensor
    advantages_N: Tensor
    versions_N: Tensor
    weights_N: Tensor | None = None  # of the token in the loss; without them the loss is the mean over tokens
    reference_logprobs_N: Tensor | None = None  # of the frozen base
    old_logprobs_N: Tensor | None = None  # of the learning policy before it learned from the batch
    teacher: "MicroBatch | None" = None  # the same student tokens, in the same order, behind what their teacher sees

    @property
    def tokens(self) -> int:
        """Student tokens, which are the tokens that carry loss."""
        return len(self.targets_N)

    def to(self, device: torch.device) -> "MicroBatch":
        """With its tensors there."""
        moved: dict[str, Any] = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor | MicroBatch)
        }
        return replace(self, **moved)

    def emptied(self) -> "MicroBatch":
        """One of its trajectories, and no token of it that carries loss."""
        none_N: dict[str, Any] = {
            field.name: value[:0]
            for field in fields(self)
            if field.name.endswith("_N") and (value := getattr(self, field.name)) is not None
        }
        teacher = self.teacher and self.teacher.emptied()
        return replace(
            self, rollouts_B=self.rollouts_B[:1], token_ids_BT=self.token_ids_BT[:1], teacher=teacher, **none_N
        )


def pack(
    trajectories: Sequence[Trajectory],
    advantages_RT: Sequence[Floats],
    tokens_per_microbatch: int,
    weights_RT: Sequence[Floats] | None = None,
    reference_logprobs_RT: Sequence[Floats] | None = None,
    teacher_R: Sequence[Trajectory] | None = None,
) -> list[MicroBatch]:
    """Split by length so that little is padded; the order is a function of the batch alone."""
    lengths = [len(trajectory.token_ids_T) for trajectory in teacher_R or trajectories]
    micros = []
    for chosen in by_length(lengths, tokens_per_microbatch):
        micro = pad(
            chosen,
            [trajectories[index] for index in chosen],
            [advantages_RT[index] for index in chosen],
            weights_RT and [weights_RT[index] for index in chosen],
            reference_logprobs_RT and [reference_logprobs_RT[index] for index in chosen],
        )
        if teacher_R is not None:
            seen = [teacher_R[index] for index in chosen]
            nothing_RT = [np.zeros(len(trajectory.token_ids_T)) for trajectory in seen]
            micro = replace(micro, teacher=pad(chosen, seen, nothing_RT))
        micros.append(micro)
    return micros


def deal(micros: Sequence[MicroBatch], rank: int, size: int) -> list[MicroBatch]:
    """The share of one of `size` processes. All make as many passes, for they gather weights together: some are empty.

    Raises IndexError when there is nothing to deal.
    """
    if size == 1:
        return list(micros)
    mine, most = list(micros[rank::size]), -(-len(micros) // size)
    return mine + [micros[0].emptied()] * (most - len(mine))


def by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices, shortest first, in runs whose padded size stays under `budget`; a longer one stands alone."""
    run: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        if run and (len(run) + 1) * lengths[index] > budget:
            yield run
            run = []
        run.append(index)
    if run:
        yield run


def pad(
    rollouts: list[int],
    trajectories: Sequence[Trajectory],
    advantages_RT: Sequence[Floats],
    weights_RT: Sequence[Floats] | None = None,
    reference_logprobs_RT: Sequence[Floats] | None = None,
) -> MicroBatch:
    """One micro-batch of these trajectories, which are the `rollouts` of what is packed."""
    width = max(len(trajectory.token_ids_T) for trajectory in trajectories)

    def padded(sequences: Sequence[Sequence[float] | Floats], dtype: type, fill: float) -> np.ndarray:
        out_BT: np.ndarray = np.full((len(sequences), width), fill, dtype=dtype)
        for out_T, values in zip(out_BT, sequences, strict=True):
            out_T[: len(values)] = values
        return out_BT

    token_ids_BT = padded([trajectory.token_ids_T for trajectory in trajectories], np.int64, PADDING)
    attempt_BT = padded([trajectory.attempt_T for trajectory in trajectories], np.int64, CONTEXT)
    rows_N, columns_N = np.nonzero(attempt_BT != CONTEXT)

    def chosen(values_BT: np.ndarray) -> Tensor:
        return torch.from_numpy(values_BT[rows_N, columns_N])

    def floats(values: Sequence[Sequence[float] | Floats]) -> Tensor:
        return chosen(padded(values, np.float32, 0.0))

    return MicroBatch(
        rollouts_B=rollouts,
        token_ids_BT=torch.from_numpy(token_ids_BT),
        rows_N=torch.from_numpy(rows_N),
        positions_N=torch.from_numpy(columns_N - 1),
        targets_N=chosen(token_ids_BT),
        sampling_logprobs_N=floats([item.logprobs_T for item in trajectories]),
        advantages_N=floats(advantages_RT),
        versions_N=chosen(padded([item.version_T for item in trajectories], np.int64, -1)),
        weights_N=None if weights_RT is None else floats(weights_RT),
        reference_logprobs_N=None if reference_logprobs_RT is None else floats(reference_logprobs_RT),
    )


def unpack(micro: MicroBatch, values_N: Tensor, into_RT: Sequence[Floats]) -> None:
    """The inverse of packing: put a value per student token where the token stands in its trajectory."""
    columns_N, rows_N, found_N = (part.cpu().numpy() for part in (micro.positions_N + 1, micro.rows_N, values_N))
    for row, rollout in enumerate(micro.rollouts_B):
        here_N = rows_N == row
        into_RT[rollout][columns_N[here_N]] = found_N[here_N]
