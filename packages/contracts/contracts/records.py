"""What is kept of each training step and each evaluation: JSON in Redis, on HTTP, and in the job directory."""

from pydantic import BaseModel, ConfigDict, Field


class JsonRecord(BaseModel):
    """Base: closed and frozen. A diverged run is told too: NaN and infinity cross JSON as strings, not as null."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class AttemptStats(JsonRecord):
    """The rows of one attempt index k within a batch."""

    attempt: int = Field(description="k, from 1.")
    rows: int = Field(description="Attempts made with this index: |A_k|.")
    correct: int = Field(description="Raw successes.")
    decay_factor: float = Field(description="mu_{k-1}: what a success at this attempt earns; 1 for k = 1.")
    mean_advantage: float | None = Field(None, description="Mean advantage of its rows; None where none was made.")
    mean_advantage_correct: float | None = Field(description="Mean advantage of its right answers.")
    mean_advantage_wrong: float | None = Field(description="Mean advantage of its wrong answers.")


class StepRecord(JsonRecord):
    """One training step as numbers. Rates are per second of wall time of the step."""

    step: int = Field(description="Counts from 1: the policy version that the step produced.")
    episodes: int
    skipped_episodes: int = Field(0, description="Of these, not trained on: their group was all right or all wrong.")
    failed_episodes: int
    unassisted_accuracy: float = Field(description="Share of episodes whose first attempt is right.")
    guided_accuracy: float = Field(description="Share of episodes with a right attempt within K.")
    format_rate: float = Field(description="Share of attempts in the required form.")
    unverified_attempts: int = Field(0, description="Attempts whose check was ended by a deadline or failed.")
    mean_reward_raw: float
    mean_reward_decayed: float
    decay_factor: float = Field(description="mu after the first attempt: what a second-attempt success earns.")
    attempts: list[AttemptStats]
    cold: bool = Field(description="No reward above zero in the batch: it gives no gradient.")
    zero_gradient: bool
    loss: float
    gradient_norm: float
    clip_fraction: float
    approximate_kl: float = Field(description="k3 estimate to the sampling policy, nats per token.")
    entropy: float = Field(description="Mean over student tokens, nats.")
    logprob_gap_max: float = Field(description="Largest |engine - trainer| log-probability, nats, before the update.")
    logprob_gap_mean: float
    reference_kl: float | None = Field(
        None, description="k3 estimate to the frozen base, nats per token, if asked for."
    )
    teacher_kl: float | None = Field(
        None, description="KL from the sampling policy to the scoring teacher, nats per student token, if asked for."
    )
    importance_weight: float = Field(1.0, description="Mean importance weight of the tokens; 1 without correction.")
    masked_episodes: int = Field(0, description="Left out by the method: nothing to learn from (sdpo).")
    importance_capped: float = Field(0.0, description="Share of tokens whose weight was capped or masked.")
    staleness_max: int = Field(description="Policy versions between sampling and training, the largest of the batch.")
    staleness_mean: float = Field(description="The same, as the mean over student tokens.")
    student_tokens: int
    trajectory_tokens: int
    teacher_calls: int
    teacher_price_usd: float
    guidance_leak_rate: float | None = Field(
        None, description="Share of judged guidance that gave the answer away; None where none was judged."
    )
    seconds: float = Field(description="From the manifest's opening to the published policy.")
    phase_seconds: dict[str, float] = Field(
        description="wait, update (of it: reference, forward, backward, optimizer), teacher_kl, checkpoint, "
        "acknowledge, publish."
    )
    episodes_per_second: float
    tokens_per_second: float = Field(description="Student tokens per second of the whole step.")
    update_tokens_per_second: float = Field(description="Trajectory tokens per second of the update alone.")
    memory_bytes: int = Field(description="Resident memory of the trainer after the step; 0 where it cannot be read.")
    memory_peak_bytes: int = Field(description="The largest so far, of this process.")


Interval = tuple[float, float]
INTERVAL_HELP = "95 %: Wilson's, at the effective number of answers (answers to one question resemble each other)."


class Accuracy(JsonRecord):
    """Accuracy on held-out questions, of `samples` episodes each. Episodes that could not be completed are left out."""

    questions: int
    unassisted_accuracy: float = Field(description="First attempts that are right; with k samples, mean@k.")
    guided_accuracy: float = Field(description="Episodes with a right attempt within K.")
    unassisted_interval: Interval = Field((0.0, 1.0), description=INTERVAL_HELP)
    guided_interval: Interval = Field((0.0, 1.0), description=INTERVAL_HELP)
    pass_at: dict[int, float] = Field(
        {}, description="n -> chance that one of n first attempts is right; n = 1, 2, 4 ..."
    )
    greedy_accuracy: float | None = Field(
        None, description="First attempts at temperature 0, where they were asked for."
    )


class EvaluationRecord(Accuracy):
    """Held-out accuracy of one policy version, over all domains, by domain, and on further splits."""

    step: int
    policy_version: int
    samples: int = Field(1, description="k: sampled episodes of each question.")
    failed_episodes: int
    format_rate: float = Field(description="Share of attempts in the required form.")
    unverified_attempts: int = Field(0, description="Attempts whose check was ended by a deadline or failed.")
    domains: dict[str, Accuracy]
    splits: dict[str, Accuracy] = Field(
        {}, description="Accuracy on the further sets that the job asks (evaluation.splits), not counted above."
    )
    seconds: float
