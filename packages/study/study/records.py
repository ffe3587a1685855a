"""What one finished cell left behind: the contract between the runner and the report. One JSON object a line."""

from typing import Any, Literal

from contracts.records import JsonRecord
from pydantic import Field

Status = Literal["succeeded", "failed"]


class PartAccuracy(JsonRecord):
    """Accuracy on a part of the held-out questions: a domain, or a split of a transfer test."""

    questions: int
    unassisted: float | None = Field(description="At temperature 0; None where it was not asked for.")
    guided: float = Field(description="Within K attempts.")
    mean_at_k: float = Field(description="First attempts that are right, over k samples of each question.")


class EvaluationPoint(PartAccuracy):
    """Held-out accuracy after `step` training steps."""

    step: int
    policy_version: int
    prompts: int = Field(description="Training questions asked so far, repeated ones counted again.")
    student_tokens: int = Field(description="Tokens that the student has generated in training so far.")
    k: int = Field(description="Samples of each question at the evaluation's temperature.")
    failed_episodes: int = 0
    by_domain: dict[str, PartAccuracy] = {}
    by_split: dict[str, PartAccuracy] = Field({}, description="held_out, unseen_combination, unseen_term ...")


class StepPoint(JsonRecord):
    """One training step."""

    step: int
    prompts: int = Field(description="Training questions asked up to this step, repeated ones counted again.")
    student_tokens: int = Field(description="Tokens that the student has generated up to this step.")
    entropy: float = Field(description="Nats per student token.")
    factors: list[float] = Field(description="mu_{k-1} of every attempt k: what a success earns; the first is 1.")
    mean_advantage_by_attempt: list[float | None]
    mean_advantage_correct_by_attempt: list[float | None]
    mean_advantage_wrong_by_attempt: list[float | None]
    share_first_attempts: float = Field(description="Of all attempts of the batch, the share that were first ones.")
    teacher_calls: int
    solved_first: int = Field(description="Episodes solved at the first attempt.")
    solved_guided: int = Field(description="Episodes solved at a later attempt.")
    leak_rate: float | None = Field(None, description="Share of judged guidance that gave the answer away.")
    teacher_kl: float | None = Field(None, description="Nats per student token, student to teacher.")
    cost_usd: float
    loss: float
    gradient_norm: float


class CellResult(JsonRecord):
    """A cell that ran to its end, or failed."""

    plan: str = Field(description="Name of the plan.")
    cell: str = Field(description="Id, such as `main/socratic_po/base-0/seed-3`.")
    experiment: str
    arm: str
    student: str
    seed: int
    fingerprint: str = Field(description="SHA-256 of everything that the plan fixes for this cell.")
    job: dict[str, Any] = Field(description="The whole job specification, as it was submitted.")
    started_at: float = Field(description="Unix time.")
    seconds: float = Field(description="Wall time of the job.")
    status: Status
    reason: str = Field("", description="Why it failed.")
    same_as: str = Field(
        "", description="The cell of another experiment that is the same work (equal fingerprint) and was run for both."
    )
    evaluations: list[EvaluationPoint] = []
    steps: list[StepPoint] = []
    outcomes: list[str] = Field(
        [],
        description="One string a step, one character an episode in the order of the manifest: the attempt at which it "
        "was solved (1 to 9, then a to g), 0 for never, x for an episode that could not be completed.",
    )
