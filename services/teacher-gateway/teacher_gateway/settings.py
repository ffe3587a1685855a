"""Settings of the teacher gateway."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from servicekit.addresses import ServiceUrl, address_fault
from servicekit.settings import GuardedSettings


class GatewaySettings(GuardedSettings):
    """Where the teachers are and what opens them."""

    model_config = SettingsConfigDict(env_prefix="TEACHER_GATEWAY_", hide_input_in_errors=True)

    port: int = Field(8001, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    tutor_url: ServiceUrl | None = Field(
        None, description="Address of the tutor service, such as http://127.0.0.1:8002; without it there is no tutor."
    )
    api_keys: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='JSON object from base URL to API key: {"https://api.openai.com/v1": "sk-..."}. '
        "A key is sent to its own base URL and nowhere else.",
    )

    teachers_file: Path | None = Field(
        None, description="YAML file of providers and named teachers (deploy/teachers.yaml is an example)."
    )
    local_teacher_url: ServiceUrl | None = Field(
        None,
        description="An SGLang or CPU engine of one's own, such as http://127.0.0.1:30001, that jobs ask for as the "
        "teacher `local`: shorthand for an entry of the teachers file.",
    )
    redis_url: str | None = Field(
        None, description="Redis through which all gateways share limits and budgets; without it each has its own."
    )

    student_url: ServiceUrl | None = Field(
        None, description="Address of the student engine, for the leak probe; without it no job can have one."
    )

    student_api_key: SecretStr | None = Field(None, description="Key of the student engine's normal routes.")

    cassette_root: Path | None = Field(
        None, description="Folder below which recorded guidance is kept; without it no job can record or replay."
    )

    @field_validator("api_keys")
    @classmethod
    def keys_have_addresses(cls, api_keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        """Refuses addresses that no request could have and keys that no header can hold; names no key."""
        for base_url, key in api_keys.items():
            if fault := address_fault(base_url):
                raise ValueError(f"{base_url}: {fault}")
            secret = key.get_secret_value()
            if not secret or not all("!" <= character <= "~" for character in secret):
                raise ValueError(f"the key of {base_url} must be printable ASCII without spaces")
        return api_keys
