"""POST /v1/guidance of the teacher gateway: one typed call."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.budgets import Leak
from contracts.teachers import TeacherSpec

RETRY_TEXT = "Your answer is incorrect. Please try again."


class Turn(BaseModel):
    """One turn of the dialogue so far."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_min_length=0)  # as in Spec

    role: Literal["system", "user", "assistant"]
    content: str


class GuidanceRequest(BaseModel):
    """Ask for guidance on the latest answer of an episode."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_min_length=0)  # as in Spec

    job_id: str
    episode_id: str
    attempt: int = Field(ge=1, description="k of the wrong attempt that is commented on.")
    teacher: TeacherSpec
    question: str = Field(description="The question as the student saw it.")
    dialogue: list[Turn] = Field(description="Every turn so far, the wrong answer last.")
    latest_answer: str
    reference_solution: str | None = None
    ground_truth: str | None = Field(None, description="Only when the job shows it to the teacher.")
    answer: str | None = Field(None, description="The right answer, for the leak guard; the teacher never sees it.")
    options: dict[str, str] = Field(default_factory=dict, description="Letter to text, for the leak guard.")
    policy_version: int | None = Field(
        None, description="Of the student that answered; tells recorded self-guidance of different policies apart."
    )
    seed: int = Field(0, description="Sampling seed for providers that take one.")


class GuidanceResponse(BaseModel):
    """The guidance and what it cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    provider: str
    rung: str = Field("", description="Which teacher of the ladder gave it: its name, else the provider's.")
    model: str
    prompt_version: str = Field(description="Name of the teacher prompt template that was used.")
    prompt_tokens: int = 0
    completion_tokens: int = 0
    price_usd: float = 0.0
    latency_seconds: float
    replayed: bool = Field(False, description="From the cassette: no provider was asked and nothing was spent.")
    leak: Leak | None = Field(None, description="What the leak guard found; None where it did not look.")
