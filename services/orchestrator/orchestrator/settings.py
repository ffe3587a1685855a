"""Settings of the orchestrator's API and controller."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import GuardedSettings

from orchestrator.neighbour_settings import NeighbourSettings


class OrchestratorSettings(NeighbourSettings, GuardedSettings):
    """What the API reads beside its neighbours: where it listens, and how long to wait for a component."""

    model_config = SettingsConfigDict(env_prefix="ORCHESTRATOR_", extra="forbid", frozen=True)

    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    data_root: Path = Field(Path(".socratic/data"), description="Where the trainer keeps jobs' files.")
    trainer_missing_seconds: float = Field(
        180, gt=0, description="A job fails when no trainer is alive for this long (a restart loads torch and a model)."
    )
    workers_missing_seconds: float = Field(
        180, gt=0, description="A job fails when episodes wait and no rollout worker is alive for this long."
    )
    trainer_stalled_seconds: float = Field(
        3600, gt=0, description="A job fails when a living trainer publishes nothing for this long with its batch full."
    )
    rollout_stalled_seconds: float = Field(
        300, gt=0, description="A job fails when no episode arrives for this long beyond an episode's own deadline."
    )
