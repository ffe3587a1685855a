"""Settings of a rollout worker."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from orchestrator.neighbour_settings import NeighbourSettings


class WorkerSettings(NeighbourSettings):
    """What a worker reads beside its neighbours: how much to do at once, and where it is watched."""

    model_config = SettingsConfigDict(env_prefix="ORCHESTRATOR_", extra="forbid", frozen=True)

    worker_episodes: int = Field(512, ge=1, le=65536, description="Most episodes in flight in this process.")
    host: str = Field("127.0.0.1", description="Address of /metrics; loopback unless you mean to open it.")
    service_key: SecretStr | None = Field(None, min_length=16, description="Key that opens the teacher gateway.")
    worker_port: int = Field(8004, ge=0, le=65535, description="TCP port of /metrics; 0 takes any free one.")
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("json", pattern="^(json|text)$", description="`json` for machines, `text` for people.")
