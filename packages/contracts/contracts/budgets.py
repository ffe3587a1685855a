"""What a job allows its teacher: how much it may spend, whether its guidance is recorded, and when guidance leaks."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LeakAction = Literal["off", "allow", "redact", "ask_again", "reject"]
CassetteMode = Literal["off", "record", "replay", "replay_or_record"]


class Caps(BaseModel):
    """Upper bounds of what teacher calls may use; None is no bound."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    usd: float | None = Field(None, ge=0, le=1_000_000, description="US dollars.")
    tokens: int | None = Field(None, ge=0, le=10**15, description="Tokens of prompts and guidance together.")
    requests: int | None = Field(None, ge=0, le=10**15, description="Requests sent to teachers, retries included.")


class BudgetSpec(Caps):
    """A job's caps, and what happens when the next call might exceed one of them."""

    when_exhausted: Literal["pause", "ladder", "without_guidance"] = Field(
        "pause",
        description="`pause`: the job pauses (reason budget_exhausted) and its open episodes are made when it goes on; "
        "`ladder`: try the next teacher of the ladder, at last the "
        "fixed retry text; `without_guidance`: the fixed retry text at once.",
    )


class CassetteSpec(BaseModel):
    """A record of guidance that was given, from which a job can be replayed without a provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: CassetteMode = Field(
        "off",
        description="`record` asks and keeps; `replay` never asks; `replay_or_record` asks only for what is not kept.",
    )
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")] = Field(
        "default", description="Jobs that name the same cassette share what it holds."
    )


class LeakProbe(BaseModel):
    """Lets the student answer from the guidance alone, without the question: what beats chance was given away."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    samples: int = Field(8, ge=1, le=64, description="Answers with the guidance, and as many with the retry text.")
    lift: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of right answers above chance, or above that with the retry text, from which it is a leak.",
    )


class Leak(BaseModel):
    """What the leak guard found in one guidance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    leaked: bool = Field(description="The teacher's first guidance gave the answer away.")
    rules: list[str] = Field(default_factory=list, description="Which rules found it: letter, value, solution, ...")
    action: LeakAction = Field("allow", description="What was done about it; `allow` where nothing was.")
    lift: float | None = Field(None, description="What the probe found in the first guidance; None where none ran.")
