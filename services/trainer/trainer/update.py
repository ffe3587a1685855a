"""One batch becomes one or more updates of the weights. Knows no learning rule: only advantages per token."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from contracts.jobs import TrainingSpec
from torch import Tensor

from trainer.batch import Batch
from trainer.diagnostics import Diagnostics, UpdateReport
from trainer.failures import JobFailure
from trainer.methods.annotation import Annotation
from trainer.microbatches import MicroBatch
from trainer.minibatches import Minibatch, minibatches_of
from trainer.objective import objective
from trainer.optimizer import Optimizer
from trainer.policy import Policy
from trainer.reference import with_reference


def untimed(phase: str) -> AbstractContextManager[None]:
    """Where nobody watches the phases."""
    return nullcontext()


class Learner:
    """The policy and its optimizer, and the frozen base where the loss or the rewards need it."""

    def __init__(
        self,
        policy: Policy,
        spec: TrainingSpec,
        reference: Policy | None = None,
        phase: Callable[[str], AbstractContextManager[None]] = untimed,
    ) -> None:
        self.phase = phase  # times the phases: reference, forward, backward, optimizer
        self.policy = policy
        self.spec = spec
        self.reference = reference
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

    def with_reference(self, batch: Batch) -> Batch:
        """The batch with the frozen base's log-probabilities, where there is one."""
        if self.reference is None:
            return batch
        with self.phase("reference"):
            return with_reference(batch, self.reference, self.spec.tokens_per_microbatch)

    def update(self, batch: Batch, annotation: Annotation) -> UpdateReport:
        """Learn from the batch, minibatch by minibatch. Raises JobFailure when a number is no longer finite.

        A minibatch without any advantage changes nothing, whatever the regularisers say: AdamW's momentum would
        otherwise move the weights on no evidence, and warm-up would run on.
        """
        try:
            return self.update_by_minibatches(batch, annotation)
        except RuntimeError as error:  # torch's own: out of memory, a bad kernel
            raise JobFailure("update_failed", f"step {batch.step}: {error}") from error

    def update_by_minibatches(self, batch: Batch, annotation: Annotation) -> UpdateReport:
        diagnostics = Diagnostics(current_version=batch.step - 1)
        prepared = self.prepared(batch, annotation)
        norms: list[float] = []
        for _ in range(self.spec.epochs):
            for minibatch in prepared:
                diagnostics.divisor += minibatch.divisor
                if minibatch.teaches:
                    norms.append(self.learn(minibatch, diagnostics, moved=bool(norms)))
                else:
                    self.measure(minibatch, diagnostics, moved=bool(norms))
        self.check_weights(batch.step)
        student_tokens = sum(micro.tokens for minibatch in prepared for micro in minibatch.micros)
        return diagnostics.report(max(norms, default=0.0), len(norms), student_tokens)

    def prepared(self, batch: Batch, annotation: Annotation) -> list[Minibatch]:
        """The batch in minibatches, with the old policy's log-probabilities where the loss will need them."""
        parts = list(minibatches_of(batch, annotation, self.spec))
        if self.spec.importance == "none" or len(parts) * self.spec.epochs == 1:
            return parts
        return [replace(part, micros=[self.anchored(micro) for micro in part.micros]) for part in parts]

    @torch.no_grad()
    def anchored(self, micro: MicroBatch) -> MicroBatch:
        """With what the policy says of it before it learns."""
        with self.phase("forward"):
            return replace(micro, old_logprobs_N=self.policy.logprobs(micro)[0])

    def learn(self, minibatch: Minibatch, diagnostics: Diagnostics, moved: bool) -> float:
        """Accumulate the gradient of the minibatch's loss, then update. Returns the gradient's norm."""
        self.optimizer.clear()
        for micro in minibatch.micros:
            loss = self.loss_sum(micro, diagnostics, moved).div(minibatch.divisor)
            with self.phase("backward"):
                loss.backward()  # type: ignore[no-untyped-call]
        with self.phase("optimizer"):
            return self.optimize(diagnostics)

    def optimize(self, diagnostics: Diagnostics) -> float:
        """One update by the gradient that was accumulated. Returns its norm."""
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
    def measure(self, minibatch: Minibatch, diagnostics: Diagnostics, moved: bool) -> None:
        """Only look: what a batch without gradient still tells."""
        for micro in minibatch.micros:
            self.loss_sum(micro, diagnostics, moved)

    def loss_sum(self, micro: MicroBatch, diagnostics: Diagnostics, moved: bool) -> Tensor:
        """The loss summed over the micro-batch's tokens. `moved`: the weights are no longer those that sampled."""
        with self.phase("forward"):
            loss, seen = objective(micro, *self.policy.logprobs(micro), self.spec)
            diagnostics.add(micro, seen, moved)
        return loss

    def check_weights(self, step: int) -> None:
        """Raises JobFailure before weights that are not finite could be written anywhere."""
        norms = torch._foreach_norm(list(self.optimizer.parameters.values()))
        if not torch.stack(norms).isfinite().all():
            raise JobFailure("non_finite_weights", f"step {step} gave weights that are not finite; nothing was written")
