"""One batch becomes one or more updates of the weights. Knows no learning rule: only what its annotation says."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from contracts.jobs import TrainingSpec
from torch import Tensor

from trainer.batch import Batch
from trainer.crew import peer_lost
from trainer.diagnostics import Diagnostics, UpdateReport
from trainer.distillation import Distillation, distilled, divergence
from trainer.failures import JobFailure, RankBroken, RankLost
from trainer.learner_state import restore, state_of
from trainer.loss import TokenLoss
from trainer.methods.annotation import Annotation
from trainer.microbatches import MicroBatch
from trainer.minibatches import Minibatch, minibatches_of
from trainer.objective import objective
from trainer.optimizer import Optimizer
from trainer.policy import Policy
from trainer.reference import with_reference
from trainer.self_teacher import SelfTeacher
from trainer.sharding import share_of

Phase = Callable[[str], AbstractContextManager[None]]


def untimed(phase: str) -> AbstractContextManager[None]:
    """Where nobody watches the phases."""
    return nullcontext()


class Learner:
    """The policy and its optimizer, with the frozen base or the student's own average where a job needs them."""

    def __init__(
        self,
        policy: Policy,
        spec: TrainingSpec,
        reference: Policy | None = None,
        self_teacher: SelfTeacher | None = None,
        phase: Phase = untimed,
    ) -> None:
        self.phase = phase  # times the phases: reference, forward, backward, optimizer
        self.policy = policy
        self.spec = spec
        self.reference = reference
        self.self_teacher = self_teacher
        self.crew = policy.crew
        self.optimizer = Optimizer(policy.model, spec)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """(weights, the rest) that a checkpoint keeps: see `learner_state`."""
        return state_of(self)

    def restore(self, weights: dict[str, Tensor], rest: dict[str, Tensor], random_state: Tensor, updates: int) -> None:
        """Go on from a checkpoint. Raises JobFailure when it belongs to a student of another shape."""
        restore(self, weights, rest, random_state, updates)

    def with_reference(self, batch: Batch) -> Batch:
        """The batch with the frozen base's log-probabilities, where there is one."""
        if self.reference is None:
            return batch
        with self.phase("reference"):
            return with_reference(batch, self.reference, self.spec.tokens_per_microbatch)

    def update(self, batch: Batch, annotation: Annotation) -> UpdateReport:
        """Learn from the batch, minibatch by minibatch. Raises JobFailure when a number is no longer finite.

        A minibatch without anything to learn from changes nothing, whatever the regularisers say: AdamW's momentum
        would otherwise move the weights on no evidence, and warm-up would run on.
        """
        try:
            report = self.update_by_minibatches(batch, annotation)
        except RuntimeError as error:  # torch's own: out of memory, a bad kernel, a process that is gone
            if peer_lost(error):
                raise RankLost(f"in step {batch.step}: {error}") from error
            failure = JobFailure("update_failed", f"step {batch.step}: {error}")
            raise (RankBroken(self.crew.rank, failure) if self.crew.several else failure) from error
        if self.self_teacher is not None and report.updates:
            self.self_teacher.follow(self.policy)
        return report

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
        student_tokens = int(batch.rows.tokens_RK.sum())
        return diagnostics.over(self.crew).report(max(norms, default=0.0), len(norms), student_tokens)

    def prepared(self, batch: Batch, annotation: Annotation) -> list[Minibatch]:
        """The batch in minibatches, with the old policy's log-probabilities where the loss will need them."""
        teacher_R = None
        if annotation.distillation is not None and self.self_teacher is not None:
            teacher_R = self.self_teacher.view(batch, annotation.distillation.demonstrations_R)
        parts = list(minibatches_of(batch, annotation, self.spec, self.crew, teacher_R))
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
        divisor = minibatch.divisor / self.crew.size  # sharding takes the mean over processes where we want the sum
        for micro in minibatch.micros:
            loss = self.loss_sum(micro, minibatch.distillation, diagnostics, moved).div(divisor)
            with self.phase("backward"):
                loss.backward()  # type: ignore[no-untyped-call]
        with self.phase("optimizer"):
            return self.optimize(diagnostics)

    def optimize(self, diagnostics: Diagnostics) -> float:
        """One update by the gradient that was accumulated. Returns its norm."""
        norm = self.optimizer.clip()
        [loss], _ = self.crew.total([diagnostics.loss], [])
        if not (math.isfinite(norm) and math.isfinite(loss)):
            raise JobFailure(
                "non_finite_gradient",
                f"loss {loss}, gradient norm {norm}: the last checkpoint stays; lower "
                "training.learning_rate or training.gradient_clip",
            )
        self.optimizer.apply()
        return norm

    @torch.no_grad()
    def measure(self, minibatch: Minibatch, diagnostics: Diagnostics, moved: bool) -> None:
        """Only look: what a batch without gradient still tells."""
        for micro in minibatch.micros:
            self.loss_sum(micro, minibatch.distillation, diagnostics, moved)

    def loss_sum(
        self, micro: MicroBatch, distillation: Distillation | None, diagnostics: Diagnostics, moved: bool
    ) -> Tensor:
        """The loss summed over the micro-batch's tokens. `moved`: the weights are no longer those that sampled."""
        with self.phase("forward"):
            if distillation is None:
                loss, seen = objective(micro, *self.policy.logprobs(micro), None, self.spec)
            else:
                loss, seen = objective(micro, *self.distil(micro, distillation), self.spec)
            diagnostics.add(micro, seen, moved)
        return loss

    def distil(self, micro: MicroBatch, distillation: Distillation) -> tuple[Tensor, Tensor, TokenLoss]:
        """(log-probabilities, entropy, loss) of each token, against the self-teacher's view of it."""
        if self.self_teacher is None or micro.teacher is None:
            raise ValueError("distillation needs a self-teacher")
        logprobs_NK, entropy_N, ids_NK = self.policy.top_logprobs(micro, distillation.top_tokens)
        with torch.no_grad():
            teacher_NK = self.self_teacher.policy.logprobs_of(micro.teacher, ids_NK[:, 1:])
        apart_N = divergence(logprobs_NK[:, 1:], teacher_NK, distillation.alpha)
        loss = distilled(apart_N, logprobs_NK[:, 0], micro.sampling_logprobs_N, distillation.ratio_cap)
        return logprobs_NK[:, 0], entropy_N, loss

    def check_weights(self, step: int) -> None:
        """Raises JobFailure before weights that are not finite could be written anywhere."""
        norms = torch._foreach_norm([share_of(parameter) for parameter in self.optimizer.parameters.values()])
        _, [broken] = self.crew.total([], [float(not torch.stack(norms).isfinite().all())])
        if broken:
            raise JobFailure("non_finite_weights", f"step {step} gave weights that are not finite; nothing was written")
