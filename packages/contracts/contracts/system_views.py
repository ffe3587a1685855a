"""What the orchestrator answers about itself and its neighbours: events, steps, tasks, teachers."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from contracts.episode_views import ManifestView
from contracts.events import EVENT_TYPES
from contracts.records import StepRecord
from contracts.views import View


class EventView(View):
    """An event with its id. Beside these fields it has those of its type (contracts.events)."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="Strictly increasing; go on behind it with `after` or `Last-Event-ID`.")
    type: str = Field(json_schema_extra={"enum": list(EVENT_TYPES)})
    at: float = Field(description="Unix time, seconds.")


class StepView(View):
    """A training step: its batch, and what came of it."""

    object: Literal["step"] = "step"
    step: int
    record: StepRecord | None = Field(description="None until it is trained.")
    episodes_arrived: int
    manifest: ManifestView


class StepOutcomes(View):
    """How every episode of a step ended, one character each."""

    object: Literal["step.outcomes"] = "step.outcomes"
    step: int
    outcomes: str


class TaskView(View):
    """A task that a job may name."""

    name: str
    summary: str
    options: dict[str, Any] = Field(description="JSON schema of `task.options`.")


class NeighbourView(View):
    """Base of what the gateway tells: one of another version may tell more."""

    model_config = ConfigDict(extra="ignore")


class TrafficView(NeighbourView):
    """A provider's calls at this moment."""

    provider: str
    in_flight: int
    waiting: int
    failures: int = Field(description="In a row; enough of them and the provider rests.")


class TeacherView(NeighbourView):
    """A teacher that a job may name: a built-in provider, or one of the gateway's teachers file."""

    provider: str
    name: str | None = Field(None, description="None for a built-in provider.")
    available: bool
    detail: str
    ladder: list[str] = Field([], description="Who is asked when it fails.")
    account: str | None = Field(None, description="Its provider in the teachers file.")
    model: str | None = None
    limits: dict[str, Any] | None = None
    budget: dict[str, Any] | None = Field(None, description="What all jobs together may spend with its account.")
    spent: dict[str, Any] | None = Field(None, description="None where the gateway keeps no ledger.")
    traffic: TrafficView | None = Field(None, description="None where nobody has asked it yet.")
