"""What one watches of a training step, in one table: /metrics and TensorBoard show the same."""

from dataclasses import dataclass

from contracts import metrics
from contracts.records import AttemptStats, StepRecord

PHASES = (
    "wait",
    "update",
    "reference",
    "forward",
    "backward",
    "optimizer",
    "teacher_kl",
    "checkpoint",
    "acknowledge",
    "publish",
)


@dataclass(frozen=True)
class Quantity:
    """One number of a step: its field in the record, its name in Prometheus, its meaning."""

    field: str
    metric: str
    meaning: str


QUANTITIES = (
    Quantity("unassisted_accuracy", metrics.UNASSISTED_ACCURACY, "Share of first attempts that were right."),
    Quantity("guided_accuracy", metrics.GUIDED_ACCURACY, "Share of episodes with a right attempt."),
    Quantity("format_rate", metrics.FORMAT_RATE, "Share of attempts in the required form."),
    Quantity("mean_reward_raw", metrics.REWARD_RAW, "Mean reward of the attempts, before decay."),
    Quantity("mean_reward_decayed", metrics.REWARD_DECAYED, "Mean reward of the attempts, after decay."),
    Quantity("decay_factor", metrics.DECAY_FACTOR, "mu: what a second-attempt success earns."),
    Quantity("loss", metrics.LOSS, "Loss, mean over student tokens."),
    Quantity("gradient_norm", metrics.GRADIENT_NORM, "Largest gradient norm of the updates, before clipping."),
    Quantity("clip_fraction", metrics.CLIP_FRACTION, "Share of student tokens that the PPO clip held."),
    Quantity("approximate_kl", metrics.SAMPLING_KL, "k3 estimate of the KL to the sampling policy, per token."),
    Quantity("reference_kl", metrics.REFERENCE_KL, "k3 estimate of the KL to the frozen base, per token, or NaN."),
    Quantity("teacher_kl", metrics.TEACHER_KL, "KL from the student to the scoring teacher, per token, or NaN."),
    Quantity("entropy", metrics.ENTROPY, "Mean entropy over student tokens."),
    Quantity("logprob_gap_max", metrics.LOGPROB_GAP_MAX, "Largest engine/trainer log-probability gap."),
    Quantity("logprob_gap_mean", metrics.LOGPROB_GAP_MEAN, "Mean engine/trainer log-probability gap."),
    Quantity("importance_weight", metrics.IMPORTANCE_WEIGHT, "Mean importance weight of the tokens."),
    Quantity("importance_capped", metrics.IMPORTANCE_CAPPED, "Share of tokens whose weight was capped or masked."),
    Quantity("staleness_max", metrics.STALENESS_MAX, "Policy versions between sampling and training, at most."),
    Quantity("staleness_mean", metrics.STALENESS_MEAN, "The same, mean over student tokens."),
    Quantity("tokens_per_second", metrics.TOKENS_PER_SECOND, "Student tokens per second of the whole step."),
    Quantity("update_tokens_per_second", metrics.UPDATE_TOKENS_PER_SECOND, "Trajectory tokens per second of update."),
    Quantity("seconds", metrics.STEP_SECONDS, "From the manifest's opening to the published policy."),
    Quantity("memory_bytes", metrics.MEMORY, "Resident memory of the trainer after the step."),
    Quantity("memory_peak_bytes", metrics.MEMORY_PEAK, "Largest resident memory of the trainer so far."),
)


def number_of(record: StepRecord, field: str) -> float:
    """The record's number; NaN where it was not measured."""
    value = getattr(record, field)
    return float("nan") if value is None else float(value)


def advantages_of(attempt: AttemptStats) -> dict[str, float]:
    """Mean advantage of an attempt index by outcome; NaN where there was no such row."""
    found = {
        "any": attempt.mean_advantage,
        "correct": attempt.mean_advantage_correct,
        "wrong": attempt.mean_advantage_wrong,
    }
    return {outcome: float("nan") if value is None else value for outcome, value in found.items()}
