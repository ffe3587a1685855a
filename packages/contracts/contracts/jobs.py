"""The job specification: what a user submits. Closed, frozen, each field explained."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from contracts.methods import Method, SocraticPO
from contracts.spec import Spec
from contracts.teachers import TeacherKlSpec, TeacherSpec

# Of a few kilobytes each: a batch of this size is some hundred megabytes in the trainer.
MOST_EPISODES = 131_072


class StudentSpec(Spec):
    """The model that learns."""

    model: str = Field(
        description="Hugging Face model directory, absolute or relative to one of the configured model roots; a "
        "checkpoint or policy of an earlier job too (`jobs/ID/checkpoints/step-000012`)."
    )


class TaskSpec(Spec):
    """What is asked and how an answer is verified."""

    name: str = Field(description="A task listed by GET /v1/tasks.")
    options: dict[str, Any] = Field(default_factory=dict, description="The task's own options (see GET /v1/tasks).")


class RolloutSpec(Spec):
    """How episodes are sampled."""

    max_attempts: int = Field(2, ge=1, le=16, description="K: attempts per episode, the first included.")
    prompts_per_step: int = Field(24, ge=1, le=65536, description="Different questions in a batch.")
    group_size: int = Field(8, ge=1, le=1024, description="Episodes of each question in a batch.")
    spare_prompts: int | None = Field(
        None,
        ge=0,
        le=65536,
        description="Dynamic sampling: ask so many questions more, skip groups that are all right at the first attempt "
        "or all wrong, and train on the first prompts_per_step of the others. None trains on every group.",
    )
    rest_steps: int = Field(
        0,
        ge=0,
        description="Curriculum: a question whose whole group was right at the first attempt is not asked again for so "
        "many steps, while there are others. 0 asks every question once in an epoch.",
    )
    temperature: float = Field(1.0, gt=0, le=2, description="Sampling temperature of the student.")
    max_answer_tokens: int = Field(
        64, ge=1, le=131072, description="Longest answer, in tokens; longer ones count as wrong."
    )
    max_staleness: int = Field(
        0, ge=0, le=16, description="Policy versions a batch may lag behind; 0 is strictly on-policy."
    )
    episode_timeout_seconds: float = Field(
        300, gt=0, le=86400, description="Deadline of one episode; past it the episode is a recorded failure."
    )

    @model_validator(mode="after")
    def groups_can_be_mixed(self) -> "RolloutSpec":
        """A group of one is always all right or all wrong."""
        if self.spare_prompts is not None and self.group_size < 2:
            raise ValueError("spare_prompts skips groups that are all alike; set group_size to 2 or more")
        return self

    @property
    def prompts_asked(self) -> int:
        """Different questions that a batch asks."""
        return self.prompts_per_step + (self.spare_prompts or 0)


DecayRate = Annotated[float, Field(ge=0, lt=1)]


class LoraSpec(Spec):
    """Low-rank adapters (arXiv 2106.09685): only they are trained; policies are published merged."""

    rank: int = Field(16, ge=1, le=4096, description="r: inner size of every adapter.")
    alpha: int = Field(32, ge=1, description="The adapters' product is scaled by alpha / rank.")
    target_modules: tuple[str, ...] | None = Field(
        None, min_length=1, description="Names of the linear layers that get an adapter; none given: all but the head."
    )


class TrainingSpec(Spec):
    """How the student's weights are updated."""

    steps: int = Field(ge=0, le=1_000_000, description="Training steps; one batch each. 0 only evaluates the student.")
    learning_rate: float = Field(1e-6, gt=0, le=1, description="Peak learning rate of AdamW.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="After the warm-up: stay at the peak, or fall to zero at the last step."
    )
    warmup_steps: int = Field(10, ge=0, description="Optimizer updates of linear warm-up.")
    betas: tuple[DecayRate, DecayRate] = Field((0.9, 0.999), description="AdamW's moment decay rates.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    clip_low: float = Field(0.2, gt=0, lt=1, description="PPO clip below the ratio 1.")
    clip_high: float = Field(0.2, gt=0, description="PPO clip above the ratio 1.")
    epochs: int = Field(1, ge=1, le=64, description="Passes over each batch.")
    minibatches: int = Field(1, ge=1, description="Optimizer updates per batch and epoch.")
    importance: Literal["none", "truncated", "masked"] = Field(
        "none",
        description="Per-token correction for stale tokens and for the engine's arithmetic, by pi_old / pi_sampling: "
        "at most importance_cap (`truncated`), or zero outside [1/importance_cap, importance_cap] (`masked`). The clip "
        "then holds against the trainer's own policy at the start of the batch; with `none`, against the sampling one.",
    )
    importance_cap: float = Field(2.0, gt=1, description="Largest importance weight of a token.")
    kl_coefficient: float = Field(
        0.0,
        ge=0,
        description="Weight of the KL to the base student in the loss; above 0 a frozen copy stays in memory.",
    )
    kl_estimator: Literal["k2", "k3"] = Field(
        "k3", description="Of that KL, per token: `k2` half the squared log-ratio, `k3` never negative and unbiased."
    )
    entropy_coefficient: float = Field(0.0, ge=0, description="Weight of the entropy bonus in the loss.")
    tokens_per_microbatch: int = Field(16384, ge=64, description="Tokens in one forward pass, shared prompts once.")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="Of the computation. The weights that the optimizer changes are fp32 in both; with `bf16` policies "
        "are published in bf16.",
    )
    activation_checkpointing: bool = Field(
        False, description="Keep only each layer's input for the backward pass: less memory, a third more computation."
    )
    lora: LoraSpec | None = Field(None, description="Train adapters instead of the student's own weights.")
    teacher_kl: TeacherKlSpec | None = Field(
        None, description="Also record the KL from the student to a local teacher at each step; off by default."
    )
    checkpoint_every: int = Field(
        1, ge=1, description="Steps between checkpoints; skipped steps are replayed on resume."
    )
    keep_last: int = Field(3, ge=1, description="Newest checkpoints that are kept, with their policy directories.")
    keep_best: int = Field(
        1, ge=0, description="Checkpoints of the best held-out unassisted accuracy that are kept beside them."
    )
    keep_every: int = Field(0, ge=0, description="Keep the checkpoint of every n-th step for good; 0 keeps none so.")


class EvaluationSpec(Spec):
    """Held-out questions, asked with the teacher at hand: before the first step, every n steps, and at the end."""

    every: int = Field(10, ge=1, description="Steps between evaluations.")
    questions: int = Field(240, ge=1, description="Held-out questions, the first n of the task's test set.")
    max_attempts: int = Field(2, ge=1, le=16, description="K of guided accuracy.")
    temperature: float = Field(0.0, ge=0, le=2, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample among the likeliest tokens of this probability together.")
    samples: int = Field(
        1,
        ge=1,
        le=256,
        description="k: episodes of each question at that temperature, for mean@k and pass@n.",
    )
    greedy: bool = Field(False, description="Ask each question once more at temperature 0, reported apart.")
    splits: tuple[str, ...] = Field(
        (),
        description="Further held-out sets of the task to ask as well, such as `unseen_term`; each is reported apart.",
    )
    split_questions: int = Field(80, ge=1, description="Questions of each of these sets, the first n.")

    @model_validator(mode="after")
    def samples_differ(self) -> "EvaluationSpec":
        """Greedy samples are all the same."""
        if self.temperature == 0 and (self.samples > 1 or self.greedy):
            raise ValueError(
                "temperature 0 always gives the same answer; set it above 0, or samples 1 and greedy false"
            )
        return self

    @field_validator("splits")
    @classmethod
    def splits_are_different(cls, splits: tuple[str, ...]) -> tuple[str, ...]:
        """A set that is named twice would be asked twice."""
        if len(set(splits)) < len(splits):
            raise ValueError("name each set once")
        return splits

    @property
    def episodes(self) -> int:
        """Episodes of one evaluation."""
        return (self.questions + len(self.splits) * self.split_questions) * self.episodes_per_question

    @property
    def episodes_per_question(self) -> int:
        """The sampled ones, then the greedy one if it is asked for."""
        return self.samples + self.greedy

    def temperature_of(self, sample: int) -> float:
        """Of the episode with this index among those of its question."""
        return self.temperature if sample < self.samples else 0.0


class JobSpec(Spec):
    """Everything a training job is."""

    version: Literal[1] = Field(1, description="Version of this format.")
    name: Annotated[str, Field(min_length=1, max_length=80, description="Shown in lists and file names.")]
    priority: int = Field(
        0, ge=-100, le=100, description="Of the queued jobs the highest runs next, among equals the oldest."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seeds question order, sampling and initial state.")
    student: StudentSpec
    task: TaskSpec
    teacher: TeacherSpec = TeacherSpec()
    method: Method = Field(SocraticPO(), description="The learning rule.")
    rollout: RolloutSpec = RolloutSpec()
    training: TrainingSpec
    evaluation: EvaluationSpec = EvaluationSpec()

    @model_validator(mode="after")
    def rollouts_suit_the_method(self) -> "JobSpec":
        """The baselines of the paper train on first attempts (section 2), and some compare the episodes of a group."""
        name = self.method.name
        if self.method.single_attempt and self.rollout.max_attempts != 1:
            raise ValueError(f"method {name} trains on first attempts only; set rollout.max_attempts to 1")
        if self.method.compares_group and self.rollout.group_size < 2:
            raise ValueError(f"method {name} compares the episodes of a question; set rollout.group_size to 2 or more")
        if self.method.self_teacher_rate is not None and self.training.importance != "none":
            raise ValueError(f"method {name} has an importance ratio of its own; remove training.importance")
        return self

    def evaluates_at(self, step: int) -> bool:
        """Held-out questions are asked before the first step, every n steps, and at the end."""
        return step % self.evaluation.every == 0 or step == self.training.steps

    @model_validator(mode="after")
    def manifests_fit_in_memory(self) -> "JobSpec":
        """A manifest, and the batch that the trainer assembles, are held as a whole."""
        for what, episodes, fields in (
            ("a batch", self.episodes_per_step, "rollout.prompts_per_step or rollout.group_size"),
            ("an evaluation", self.evaluation.episodes, "evaluation.questions or evaluation.samples"),
        ):
            if episodes > MOST_EPISODES:
                raise ValueError(f"{what} has at most {MOST_EPISODES} episodes; lower {fields}")
        return self

    @model_validator(mode="after")
    def teacher_kl_compares_like_with_like(self) -> "JobSpec":
        """Servers score at temperature 1, so what the student sampled must be scored at it too."""
        if self.training.teacher_kl is not None and self.rollout.temperature != 1.0:
            raise ValueError("training.teacher_kl needs rollout.temperature 1: servers score at that temperature")
        return self

    @property
    def episodes_per_step(self) -> int:
        """B: rollouts in a batch."""
        return self.rollout.prompts_asked * self.rollout.group_size
