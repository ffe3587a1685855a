"""Whole trajectories, sorted by length and laid into micro-batches under a token budget.

Axes: U tokens of the micro-batch's row, T tokens of one trajectory, N student tokens of the whole micro-batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from contracts.trajectories import CONTEXT, Trajectory
from rewards.rows import Floats
from torch import Tensor

from trainer.layout import Layout, beginning, lay


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass over one row. Token n is read at `places_N` of the hidden states: at the token before it."""

    rollouts_B: list[int]  # which of the trajectories that were packed, in the order of the layout's strands
    token_ids_U: Tensor
    layout: Layout
    places_N: Tensor
    strands_N: Tensor  # which strand the token is of
    columns_N: Tensor  # where it stands in its trajectory
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
            if isinstance(value := getattr(self, field.name), Tensor | Layout | MicroBatch)
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
        layout = self.layout.first()
        tokens_U = self.token_ids_U[: len(layout.depths_U)]
        return replace(
            self, rollouts_B=self.rollouts_B[:1], token_ids_U=tokens_U, layout=layout, teacher=teacher, **none_N
        )


def pack(
    trajectories: Sequence[Trajectory],
    advantages_RT: Sequence[Floats],
    tokens_per_microbatch: int,
    weights_RT: Sequence[Floats] | None = None,
    reference_logprobs_RT: Sequence[Floats] | None = None,
    teacher_R: Sequence[Trajectory] | None = None,
) -> list[MicroBatch]:
    """Split so that those of one length and those that begin alike stand together, by a rule of the batch alone."""
    micros = []
    for chosen in runs(teacher_R or trajectories, tokens_per_microbatch):
        micro = micro_of(
            chosen,
            [trajectories[index] for index in chosen],
            [advantages_RT[index] for index in chosen],
            weights_RT and [weights_RT[index] for index in chosen],
            reference_logprobs_RT and [reference_logprobs_RT[index] for index in chosen],
        )
        if teacher_R is not None:
            seen = [teacher_R[index] for index in chosen]
            nothing_RT = [np.zeros(len(trajectory.token_ids_T)) for trajectory in seen]
            micro = replace(micro, teacher=micro_of(chosen, seen, nothing_RT))
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


def runs(trajectories: Sequence[Trajectory], budget: int) -> Iterator[list[int]]:
    """Indices in runs whose row stays under `budget` tokens; a longer trajectory stands alone.

    Shortest groups first, and within a group, whose trajectories begin alike, the shortest first.
    """
    heads = [tuple(item.token_ids_T[: beginning(item)]) for item in trajectories]
    lengths = [len(item.token_ids_T) for item in trajectories]
    longest: dict[tuple[int, ...], int] = {}
    for head, length in zip(heads, lengths, strict=True):
        longest[head] = max(longest.get(head, 0), length)
    run: list[int] = []
    tokens = 0
    for index in sorted(range(len(heads)), key=lambda index: (longest[heads[index]], heads[index], lengths[index])):
        alike = bool(run) and heads[run[-1]] == heads[index]
        added = lengths[index] - len(heads[index]) * alike
        if run and tokens + added > budget:
            yield run
            run, tokens, added = [], 0, lengths[index]
        run.append(index)
        tokens += added
    if run:
        yield run


def micro_of(
    rollouts: list[int],
    trajectories: Sequence[Trajectory],
    advantages_RT: Sequence[Floats],
    weights_RT: Sequence[Floats] | None = None,
    reference_logprobs_RT: Sequence[Floats] | None = None,
) -> MicroBatch:
    """One micro-batch of these trajectories, which are the `rollouts` of what is packed."""
    tokens_U, layout = lay(trajectories)
    columns_BN = [np.flatnonzero(np.asarray(item.attempt_T) != CONTEXT) for item in trajectories]
    before_BN = [strand.places(columns - 1) for strand, columns in zip(layout.strands, columns_BN, strict=True)]

    def chosen(values_BT: Sequence[Sequence[float] | Floats], dtype: type) -> Tensor:
        pairs = zip(values_BT, columns_BN, strict=True)
        return torch.from_numpy(np.concatenate([np.asarray(values_T, dtype)[columns] for values_T, columns in pairs]))

    return MicroBatch(
        rollouts_B=rollouts,
        token_ids_U=torch.tensor(tokens_U),
        layout=layout,
        places_N=torch.from_numpy(np.concatenate(before_BN)),
        strands_N=torch.from_numpy(np.repeat(np.arange(len(columns_BN)), [len(columns) for columns in columns_BN])),
        columns_N=torch.from_numpy(np.concatenate(columns_BN)),
        targets_N=chosen([item.token_ids_T for item in trajectories], np.int64),
        sampling_logprobs_N=chosen([item.logprobs_T for item in trajectories], np.float32),
        advantages_N=chosen(advantages_RT, np.float32),
        versions_N=chosen([item.version_T for item in trajectories], np.int64),
        weights_N=None if weights_RT is None else chosen(weights_RT, np.float32),
        reference_logprobs_N=None if reference_logprobs_RT is None else chosen(reference_logprobs_RT, np.float32),
    )


def unpack(micro: MicroBatch, values_N: Tensor, into_RT: Sequence[Floats]) -> None:
    """The inverse of packing: put a value per student token where the token stands in its trajectory."""
    columns_N, strands_N, found_N = (part.cpu().numpy() for part in (micro.columns_N, micro.strands_N, values_N))
    for strand, rollout in enumerate(micro.rollouts_B):
        here_N = strands_N == strand
        into_RT[rollout][columns_N[here_N]] = found_N[here_N]
