"""Settings of the CPU engine, from the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import EXPOSED, ServiceSettings, is_loopback


class InferenceSettings(ServiceSettings):
    """What is served and how much memory it may take. Names follow SGLang's server arguments."""

    model_config = SettingsConfigDict(
        env_prefix="STUDENT_INFERENCE_", extra="forbid", frozen=True, protected_namespaces=()
    )

    port: int = Field(30000, ge=0, le=65535, description="TCP port, SGLang's by default; 0 takes any free one.")
    model_path: Path = Field(description="Hugging Face directory of the student: config.json and safetensors.")
    weight_version: str = Field("default", description="Name of the weights that are loaded at the start.")
    allowed_roots: list[Path] = Field(
        [], description="JSON list of directories below which new weights may lie; empty: where model_path lies."
    )
    dtype: str = Field("float32", pattern="^(float32|bfloat16)$", description="float32 or bfloat16.")
    threads: int = Field(1, ge=1, description="Threads of torch. On shared cores one is fastest.")
    context_length: int = Field(0, ge=0, description="Longest prompt plus output; 0 takes the model's own limit.")
    max_total_tokens: int = Field(
        65536, ge=16, description="Positions in the KV cache: the memory bound, allocated at the start."
    )
    block_size: int = Field(16, ge=1, description="Positions in a cache block, the unit of prefix reuse.")
    max_running_requests: int = Field(256, ge=1, description="Requests that are decoded in one batch.")
    max_prefill_tokens: int = Field(
        2048, ge=1, description="New tokens that one forward pass may take in; more falls out of the CPU's caches."
    )
    api_key: str = Field("", description="Bearer key of the generation routes; empty means none.")
    admin_api_key: str = Field("", description="Bearer key of the routes that change the engine; empty: api_key.")

    def exposure_fault(self) -> str | None:
        """Beyond loopback it needs a key: whoever reaches the routes could use, or change, what is served."""
        if self.api_key or is_loopback(self.host):
            return None
        return EXPOSED.format(host=self.host, names="API_KEY (and ADMIN_API_KEY)")

    def roots(self) -> list[Path]:
        """Resolved directories from which weights may be loaded."""
        return [root.resolve() for root in self.allowed_roots or [self.model_path.resolve().parent]]
