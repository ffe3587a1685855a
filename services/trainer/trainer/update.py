"""One batch becomes one or more updates of the weights. Knows no learning rule: only advantages per token.

Axes: N student tokens of a micro-batch.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from contracts.jobs import TrainingSpec
from torch import Tensor

from trainer.batch import Batch
from trainer.diagnostics import Diagnostics, UpdateReport
from trainer.failures import JobFailure
from trainer.loss import policy_gradient
from trainer.methods.annotation import Annotation
from trainer.microbatches import MicroBatch, pack
from trainer.optimizer import Optimizer
from trainer.policy import Policy


class Learner:
    """The policy and its optimizer."""

    def __init__(self, policy: Policy, spec: TrainingSpec) -> None:
        self.policy = policy
        self.spec = spec
        self.optimizer = Optimizer(policy.model, spec)

    def restore(
        self, weights: dict[str, Tensor], optimizer: dict[str, Tensor], random_state: Tensor, updates: int
    ) -> None:
        """Go on from a checkpoint. Raises JobFailure when it belongs to a student of another shape."""
        try:
            self.policy.restore(weights)
            self.optimizer.restore(optimizer, updates)
        except (KeyError, RuntimeError) as error:
            raise JobFailure("checkpoint_unusable", f"the checkpoint does not fit the student: {error}") from error
        torch.set_rng_state(random_state)

    def update(self, batch: Batch, annotation: Annotation) -> UpdateReport:
        """Learn from the batch, minibatch by minibatch. Raises JobFailure when a number is no longer finite.

        A minibatch without any advantage changes nothing: AdamW's momentum would otherwise move the weights on no
        evidence, and warm-up would run on.
        """
        try:
            return self.update_by_minibatches(batch, annotation)
        except RuntimeError as error:  # torch's own: out of memory, a bad kernel
            raise JobFailure("update_failed", f"step {batch.step}: {error}") from error

    def update_by_minibatches(self, batch: Batch, annotation: Annotation) -> UpdateReport:
        diagnostics = Diagnostics(current_version=batch.step - 1)
        norms: list[float] = []
        for minibatch in minibatches(len(batch.trajectories), self.spec.minibatches):
            micros = pack(
                [batch.trajectories[index] for index in minibatch],
                [annotation.advantages_RT[index] for index in minibatch],
                self.spec.tokens_per_microbatch,
            )
            if any(micro.advantages_N.any() for micro in micros):
                norms.append(self.learn(micros, diagnostics, moved=bool(norms)))
            else:
                self.measure(micros, diagnostics, moved=bool(norms))
        self.check_weights(batch.step)
        return diagnostics.report(gradient_norm=max(norms, default=0.0), updates=len(norms))

    def learn(self, micros: Sequence[MicroBatch], diagnostics: Diagnostics, moved: bool) -> float:
        """Accumulate the gradient of the mean over the minibatch's student tokens, then update. Returns the norm."""
        tokens = sum(micro.tokens for micro in micros)
        self.optimizer.clear()
        for micro in micros:
            self.loss_sum(micro, diagnostics, moved).div(tokens).backward()  # type: ignore[no-untyped-call]
        norm = self.optimizer.clip()
        if not (math.isfinite(norm) and math.isfinite(diagnostics.loss)):
            raise JobFailure(
                "non_finite_gradient",
                f"loss {diagnostics.loss}, gradient norm {norm}: the last checkpoint stays; lower "
                "training.learning_rate or training.gradient_clip",
            )
        self.optimizer.apply()
        return norm

    @torch.no_grad()
    def measure(self, micros: Sequence[MicroBatch], diagnostics: Diagnostics, moved: bool) -> None:
        """Only look: what a batch without gradient still tells."""
        for micro in micros:
            self.loss_sum(micro, diagnostics, moved)

    def loss_sum(self, micro: MicroBatch, diagnostics: Diagnostics, moved: bool) -> Tensor:
        """The loss summed over the micro-batch's tokens. `moved`: the weights are no longer those that sampled."""
        logprobs_N, entropy_N = self.policy.logprobs(micro)
        loss = policy_gradient(
            logprobs_N, micro.sampling_logprobs_N, micro.advantages_N, self.spec.clip_low, self.spec.clip_high
        )
        diagnostics.add(micro, logprobs_N.detach(), entropy_N, loss, moved)
        return loss.loss_N.sum()

    def check_weights(self, step: int) -> None:
        """Raises JobFailure before weights that are not finite could be written anywhere."""
        norms = torch._foreach_norm(list(self.optimizer.parameters.values()))
        if not torch.stack(norms).isfinite().all():
            raise JobFailure("non_finite_weights", f"step {step} gave weights that are not finite; nothing was written")


def minibatches(rollouts: int, count: int) -> Iterator[range]:
    """Consecutive runs of the batch, so that the rollouts of one question stay together; empty ones are left out."""
    bounds = [rollouts * index // count for index in range(count + 1)]
    return (range(start, end) for start, end in pairwise(bounds) if end > start)
