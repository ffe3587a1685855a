"""A batch in minibatches: what one update of the weights learns from.

Axes: R rollouts, T tokens of one trajectory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from contracts.jobs import TrainingSpec

from trainer.batch import Batch
from trainer.methods.annotation import Annotation
from trainer.microbatches import MicroBatch, pack


@dataclass(frozen=True)
class Minibatch:
    """Its loss is the sum over its micro-batches, divided by `divisor`."""

    micros: list[MicroBatch]
    divisor: float

    @property
    def teaches(self) -> bool:
        """Some token carries an advantage."""
        return any(bool(micro.advantages_N.any()) for micro in self.micros)


def minibatches_of(batch: Batch, annotation: Annotation, spec: TrainingSpec) -> Iterator[Minibatch]:
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
        )
        share, tokens = len(chosen) / rollouts, sum(micro.tokens for micro in micros)
        yield Minibatch(micros, divisor=tokens if annotation.weights_RT is None else share)


def split(rollouts: int, count: int) -> Iterator[range]:
    """Consecutive runs of the batch, so that the rollouts of one question stay together; empty ones are left out."""
    bounds = [rollouts * index // count for index in range(count + 1)]
    return (range(start, end) for start, end in pairwise(bounds) if end > start)
