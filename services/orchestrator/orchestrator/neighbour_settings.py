"""Settings that the API and the rollout workers read under the same names."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings
from servicekit.addresses import ServiceUrl


class NeighbourSettings(BaseSettings):
    """Addresses of the neighbours, and the directories that jobs may name."""

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis that holds jobs, events and episodes.")
    student_urls: list[ServiceUrl] = Field(
        ["http://127.0.0.1:30000"],
        min_length=1,
        description="JSON list: the student engine's replicas (SGLang's HTTP API), or one router before them.",
    )
    student_api_key: SecretStr | None = Field(None, description="API key of the student engine's replicas.")
    gateway_url: ServiceUrl = Field("http://127.0.0.1:8001", description="Teacher gateway.")
    model_roots: list[Path] = Field(
        default_factory=lambda: [Path()],
        description="JSON list: directories below which a student model may lie; relative names are tried in each.",
    )
    data_roots: list[Path] = Field(
        default_factory=lambda: [Path()], description="JSON list: directories below which task data may lie."
    )
