"""What one watches while a batch is learned from. Axes: N student tokens of a micro-batch."""

from dataclasses import dataclass

from torch import Tensor

from trainer.loss import TokenLoss, kl_estimate
from trainer.microbatches import MicroBatch


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


@dataclass
class Diagnostics:
    """Sums over the tokens seen so far.

    The engine/trainer gap is taken where both had the same weights: on tokens that `current_version` sampled, as long
    as this step has not moved the weights. Elsewhere a difference is learning, not a fault.
    """

    current_version: int
    loss: float = 0.0
    clipped: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    tokens: int = 0
    gap_sum: float = 0.0
    gap_max: float = 0.0
    gap_tokens: int = 0

    def add(self, micro: MicroBatch, logprobs_N: Tensor, entropy_N: Tensor, loss: TokenLoss, moved: bool) -> None:
        """Add a micro-batch, seen just before it was learned from."""
        self.loss += float(loss.loss_N.detach().sum())
        self.clipped += float(loss.clipped_N.sum())
        self.kl += float(kl_estimate(logprobs_N, micro.sampling_logprobs_N).sum())
        self.entropy += float(entropy_N.sum())
        self.tokens += micro.tokens
        comparable_N = micro.versions_N == self.current_version
        if not moved and comparable_N.any():
            gaps = (logprobs_N - micro.sampling_logprobs_N)[comparable_N].abs()
            self.gap_sum += float(gaps.sum())
            self.gap_max = max(self.gap_max, float(gaps.max()))
            self.gap_tokens += len(gaps)

    def report(self, gradient_norm: float, updates: int) -> UpdateReport:
        """The means."""
        tokens = max(1, self.tokens)
        return UpdateReport(
            loss=self.loss / tokens,
            gradient_norm=gradient_norm,
            clip_fraction=self.clipped / tokens,
            approximate_kl=self.kl / tokens,
            entropy=self.entropy / tokens,
            logprob_gap_max=self.gap_max,
            logprob_gap_mean=self.gap_sum / max(1, self.gap_tokens),
            student_tokens=self.tokens,
            updates=updates,
        )
