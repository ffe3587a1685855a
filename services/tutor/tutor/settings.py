"""Settings of the tutor."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import GuardedSettings


class TutorSettings(GuardedSettings):
    """Where the tutor listens."""

    model_config = SettingsConfigDict(env_prefix="TUTOR_")

    port: int = Field(8002, ge=0, le=65535, description="TCP port; 0 takes any free one.")
