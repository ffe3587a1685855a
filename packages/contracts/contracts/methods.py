"""The learning rules a job can choose, each with its own closed settings."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Normalisation = Literal["row", "group_row", "token"]
NORMALISATION_HELP = (
    "Statistics of the advantage: over all (rollout, attempt) rows (`row`, Theorem 1), after subtracting the mean of "
    "the prompt's rows (`group_row`), or weighted by tokens (`token`)."
)
# The one number that a decay takes; the others take none.
DECAY_SETTINGS = {"geometric": "gamma", "floor": "floor", "ema": "ema_rate"}


class MethodSpec(BaseModel):
    """Base of the methods: unknown settings are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    single_attempt: ClassVar[bool] = False  # defined for rollout.max_attempts 1 only
    compares_group: ClassVar[bool] = False  # needs several episodes of each question

    @property
    def needs_reference(self) -> bool:
        """Whether the frozen base student's log-probabilities are part of the rewards."""
        return False

    @property
    def self_teacher_rate(self) -> float | None:
        """How fast the student's moving average follows it; None for a method that does not learn from one."""
        return None


class SocraticPO(MethodSpec):
    """Guided attempts under batch-level reward decay (paper eqs 16-19)."""

    name: Literal["socratic_po"] = "socratic_po"
    guidance: bool = Field(True, description="False replaces every guidance by the fixed retry text (w/o tg).")
    decay: Literal["batch_mean", "none", "geometric", "floor", "ema"] = Field(
        "batch_mean",
        description="What a success after guidance earns: the mean decayed reward of all earlier attempts of the batch "
        "(`batch_mean`, the paper's), that mean but at least `floor`, that mean smoothed over the steps (`ema`), a "
        "fixed power of gamma (`geometric`), or the full reward (`none`, w/o rd).",
    )
    gamma: float | None = Field(None, ge=0, le=1, description="decay geometric: attempt k earns gamma ** (k - 1).")
    floor: float | None = Field(None, ge=0, le=1, description="decay floor: the least that a success earns.")
    ema_rate: float | None = Field(None, gt=0, le=1, description="decay ema: weight of the newest batch; 1 forgets.")
    normalisation: Normalisation = Field("row", description=NORMALISATION_HELP)

    @model_validator(mode="after")
    def decay_has_its_setting(self) -> "SocraticPO":
        """Each decay takes its own number and no other."""
        for decay, setting in DECAY_SETTINGS.items():
            given = getattr(self, setting) is not None
            if decay == self.decay and not given:
                raise ValueError(f"decay {decay} needs {setting}; add it")
            if decay != self.decay and given:
                raise ValueError(f"{setting} belongs to decay {decay}, not to {self.decay}; remove it")
        return self

    @property
    def decay_setting(self) -> float:
        """The number that this decay takes; 0 for one that takes none."""
        return getattr(self, DECAY_SETTINGS[self.decay]) if self.decay in DECAY_SETTINGS else 0.0


class PenalisedSpec(MethodSpec):
    """Base of the methods that take the divergence from the base student off the reward."""

    kl_in_reward: float = Field(
        0.0,
        ge=0,
        le=100,
        description="beta: the reward loses beta * (log pi - log pi_ref) per token (k1 estimator), in reward per nat. "
        "The reference is the base student. As a loss instead: training.kl_coefficient.",
    )

    @property
    def needs_reference(self) -> bool:
        """With a penalty."""
        return self.kl_in_reward > 0


class ReinforcePP(PenalisedSpec):
    """Reinforce++ on first attempts: rewards normalised over the global batch (arXiv 2501.03262)."""

    single_attempt = True
    name: Literal["reinforce_pp"] = "reinforce_pp"
    normalisation: Normalisation = Field("row", description=NORMALISATION_HELP)


class ReinforcePPBaseline(MethodSpec):
    """Reinforce++ with a baseline: rewards less their group's mean, normalised over the global batch.

    Its definition adds the divergence from the base student as a loss: `training.kl_coefficient` with
    `training.kl_estimator` k2.
    """

    single_attempt = True
    compares_group = True
    name: Literal["reinforce_pp_baseline"] = "reinforce_pp_baseline"


class GRPO(MethodSpec):
    """Group-relative rewards (arXiv 2402.03300); `scale: none`, `aggregation: constant` is Dr. GRPO (arXiv 2503.20783).

    DAPO's clip-higher is `training.clip_high` above `training.clip_low`, for every method.
    """

    single_attempt = True
    compares_group = True
    name: Literal["grpo"] = "grpo"
    scale: Literal["group", "batch", "none"] = Field(
        "group",
        description="What divides reward - group mean: the group's standard deviation, the batch's, or nothing.",
    )
    aggregation: Literal["token", "answer", "constant"] = Field(
        "token",
        description="The batch's loss: the mean over all student tokens (`token`, DAPO), the mean over answers of each "
        "answer's mean (`answer`, GRPO as published), or the sum over `constant_tokens` per answer (`constant`, Dr. "
        "GRPO).",
    )
    constant_tokens: int | None = Field(
        None, ge=1, description="aggregation constant: what divides each answer; take rollout.max_answer_tokens."
    )

    @model_validator(mode="after")
    def constant_has_its_length(self) -> "GRPO":
        """No other aggregation takes one."""
        if (self.aggregation == "constant") != (self.constant_tokens is not None):
            raise ValueError("aggregation constant needs constant_tokens, and no other aggregation takes it")
        return self


class RLOO(PenalisedSpec):
    """REINFORCE with a leave-one-out baseline (arXiv 2402.14740)."""

    single_attempt = True
    compares_group = True
    name: Literal["rloo"] = "rloo"


class SDPO(MethodSpec):
    """Self-distillation: the student learns from its own average, shown another right answer (arXiv 2601.20802).

    Episodes without such an answer in their group are left out.
    """

    single_attempt = True
    compares_group = True
    name: Literal["sdpo"] = "sdpo"
    teacher_rate: float = Field(
        0.05, gt=0, le=1, description="After each step the self-teacher moves by this share towards the student."
    )
    alpha: float = Field(
        0.5, gt=0, lt=1, description="Of the generalised Jensen-Shannon divergence; 0.5 is the symmetric one."
    )
    top_tokens: int = Field(
        100, ge=1, le=10000, description="The student's likeliest tokens that are compared; the others count as one."
    )
    importance_cap: float = Field(2.0, gt=1, description="Largest importance ratio pi / pi_sampling of a token.")

    @property
    def self_teacher_rate(self) -> float | None:
        """It learns from nothing else."""
        return self.teacher_rate


Method = Annotated[
    SocraticPO | ReinforcePP | ReinforcePPBaseline | GRPO | RLOO | SDPO,
    Field(discriminator="name"),
]
