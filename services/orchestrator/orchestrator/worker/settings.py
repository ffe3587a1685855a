"""Settings of a rollout worker."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """Addresses of the neighbours, the directories that jobs may name, and how much to do at once."""

    model_config = SettingsConfigDict(env_prefix="ORCHESTRATOR_", extra="forbid", frozen=True)

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis that holds jobs, episodes and the queue.")
    student_url: str = Field("http://127.0.0.1:30000", description="Student engine (SGLang's HTTP API).")
    gateway_url: str = Field("http://127.0.0.1:8001", description="Teacher gateway.")
    model_roots: list[Path] = Field(
        default_factory=lambda: [Path()],
        description="JSON list: directories below which a student model may lie; relative names are tried in each.",
    )
    data_roots: list[Path] = Field(
        default_factory=lambda: [Path()], description="JSON list: directories below which task data may lie."
    )
    worker_episodes: int = Field(512, ge=1, le=65536, description="Most episodes in flight in this process.")
    host: str = Field("127.0.0.1", description="Address of /metrics; loopback unless you mean to open it.")
    worker_port: int = Field(8004, ge=0, le=65535, description="TCP port of /metrics; 0 takes any free one.")
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("json", pattern="^(json|text)$", description="`json` for machines, `text` for people.")
