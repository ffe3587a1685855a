"""What the command line reads from the environment."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ClientSettings(BaseSettings):
    """Where stacks live and how they are found."""

    model_config = SettingsConfigDict(env_prefix="SOCRATIC_", frozen=True, populate_by_name=True)

    home: Path = Field(Path(".socratic"), description="State directory: Redis' files, logs, jobs' data, stack.json.")
    url: str | None = Field(None, description="An orchestrator to talk to, instead of the stack of SOCRATIC_HOME.")
    api_key: SecretStr | None = Field(None, description="API key of the orchestrator, where it wants one.")
    redis_url: str | None = Field(
        None, validation_alias="REDIS_URL", description="A Redis that already runs; without it the stack starts one."
    )
