"""What one watches while a batch is learned from. Axes: N student tokens of a micro-batch."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from trainer.crew import Crew
from trainer.loss import kl_estimate
from trainer.microbatches import MicroBatch

SUMS = ("loss", "clipped", "kl", "entropy", "tokens", "reference_kl", "importance", "capped", "gap_sum", "gap_tokens")


@dataclass(frozen=True)
class Seen:
    """One micro-batch as the loss saw it, without gradient; what an option leaves out is None."""

    loss: float  # summed over its tokens
    logprobs_N: Tensor
    entropy_N: Tensor
    clipped_N: Tensor
    reference_kl_N: Tensor | None
    importance_N: Tensor | None
    capped_N: Tensor | None


@dataclass(frozen=True)
class UpdateReport:
    """Means are over the batch's student tokens; the units are those of records.StepRecord."""

    loss: float
    gradient_norm: float
    clip_fraction: float
    approximate_kl: float
    entropy: float
    logprob_gap_max: float
    logprob_gap_mean: float
    student_tokens: int
    updates: int
    reference_kl: float | None = None
    importance_weight: float = 1.0
    importance_capped: float = 0.0


@dataclass
class Diagnostics:
    """Sums over the tokens seen so far.

    The engine/trainer gap is taken where both had the same weights: on tokens that `current_version` sampled, as long
    as this step has not moved the weights. Elsewhere a difference is learning, not a fault.
    """

    current_version: int
    loss: float = 0.0
    divisor: float = 0.0  # what the loss sums of the minibatches are divided by, together
    clipped: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    tokens: int = 0
    reference_kl: float | None = None
    importance: float = 0.0
    capped: float = 0.0
    gap_sum: float = 0.0
    gap_max: float = 0.0
    gap_tokens: int = 0

    def add(self, micro: MicroBatch, seen: Seen, moved: bool) -> None:
        """Add a micro-batch, seen just before it was learned from."""
        self.loss += seen.loss
        self.clipped += float(seen.clipped_N.sum())
        self.kl += float(kl_estimate(seen.logprobs_N, micro.sampling_logprobs_N).sum())
        self.entropy += float(seen.entropy_N.sum())
        self.tokens += micro.tokens
        if seen.reference_kl_N is not None:
            self.reference_kl = (self.reference_kl or 0.0) + float(seen.reference_kl_N.sum())
        self.importance += micro.tokens if seen.importance_N is None else float(seen.importance_N.sum())
        self.capped += 0.0 if seen.capped_N is None else float(seen.capped_N.sum())
        comparable_N = micro.versions_N == self.current_version
        if not moved and comparable_N.any():
            gaps = (seen.logprobs_N - micro.sampling_logprobs_N)[comparable_N].abs()
            self.gap_sum += float(gaps.sum())
            self.gap_max = max(self.gap_max, float(gaps.max()))
            self.gap_tokens += len(gaps)

    def over(self, crew: Crew) -> "Diagnostics":
        """Of what all processes have seen together."""
        known = self.reference_kl is not None
        sums = {name: float(getattr(self, name) or 0.0) for name in SUMS}
        totals, [gap_max] = crew.total(list(sums.values()), [self.gap_max])
        summed: dict[str, Any] = dict(zip(sums, totals, strict=True))
        return replace(self, **summed | {"gap_max": gap_max, "reference_kl": summed["reference_kl"] if known else None})

    def report(self, gradient_norm: float, updates: int, student_tokens: int) -> UpdateReport:
        """The means, over all epochs."""
        tokens = max(1, self.tokens)
        return UpdateReport(
            loss=self.loss / (self.divisor or 1.0),
            gradient_norm=gradient_norm,
            clip_fraction=self.clipped / tokens,
            approximate_kl=self.kl / tokens,
            entropy=self.entropy / tokens,
            logprob_gap_max=self.gap_max,
            logprob_gap_mean=self.gap_sum / max(1, self.gap_tokens),
            student_tokens=student_tokens,
            updates=updates,
            reference_kl=None if self.reference_kl is None else self.reference_kl / tokens,
            importance_weight=self.importance / tokens,
            importance_capped=self.capped / tokens,
        )
