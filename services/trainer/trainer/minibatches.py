"""A batch in minibatches: what one update of the weights learns from.

Axes: R rollouts, T tokens of one trajectory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from contracts.jobs import TrainingSpec
from contracts.trajectories import Trajectory

from trainer.batch import Batch
from trainer.crew import Crew
from trainer.distillation import Distillation
from trainer.methods.annotation import Annotation
from trainer.microbatches import MicroBatch, deal, pack


@dataclass(frozen=True)
class Minibatch:
    """Its loss is the sum over its micro-batches, on all processes, divided by `divisor`."""

    micros: list[MicroBatch]  # this process's share
    divisor: float
    teaches: bool  # some token has something to learn from
    distillation: Distillation | None = None


def minibatches_of(
    batch: Batch,
    annotation: Annotation,
    spec: TrainingSpec,
    crew: Crew,
    teacher_R: Sequence[Trajectory] | None = None,
) -> Iterator[Minibatch]:
    """The loss is the mean over the minibatch's student tokens, or what the annotation's weights make of them.

    Weights sum to 1 over the batch; a minibatch gets its share of the rollouts as divisor, so that its loss is of the
    batch's size.
    """
    rollouts = len(batch.trajectories)
    for chosen in split(rollouts, spec.minibatches):
        part = slice(chosen.start, chosen.stop)
        micros = pack(
            batch.trajectories[part],
            annotation.advantages_RT[part],
            spec.tokens_per_microbatch,
            weights_RT=annotation.weights_RT and annotation.weights_RT[part],
            reference_logprobs_RT=batch.reference_logprobs_RT and batch.reference_logprobs_RT[part],
            teacher_R=teacher_R and teacher_R[part],
        )
        share, tokens = len(chosen) / rollouts, sum(micro.tokens for micro in micros)
        mine = [micro.to(crew.device) for micro in deal(micros, crew.rank, crew.size)]
        divisor = tokens if annotation.weights_RT is None else share
        yield Minibatch(mine, divisor, any(annotation.teaching_rollouts[part]), annotation.distillation)


def split(rollouts: int, count: int) -> Iterator[range]:
    """Consecutive runs of the batch, so that the rollouts of one question stay together; empty ones are left out."""
    bounds = [rollouts * index // count for index in range(count + 1)]
    return (range(start, end) for start, end in pairwise(bounds) if end > start)
