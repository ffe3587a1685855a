"""Where this process stands among those that torchrun (or any launcher with its environment) started."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Launch(BaseSettings):
    """Read once, by `main`. Without a launcher: one process."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    rank: int = Field(0, ge=0, description="This process, of all; 0 leads.")
    local_rank: int = Field(0, ge=0, description="This process, of those on its machine: the GPU that it takes.")
    world_size: int = Field(1, ge=1, description="All processes.")
    master_addr: str | None = Field(None, description="Where process 0 can be reached.")
    master_port: int | None = Field(None, description="Its port for finding one another.")
