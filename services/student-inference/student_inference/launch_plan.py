"""What the launcher runs: a pure function from settings to SGLang's command line."""

import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ServiceSettings

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class LauncherSettings(ServiceSettings):
    """Which model, on which devices, and how patient the launcher is."""

    model_config = SettingsConfigDict(
        env_prefix="SGLANG_LAUNCHER_", extra="forbid", frozen=True, protected_namespaces=()
    )

    port: int = Field(30000, ge=1, le=65535, description="TCP port of SGLang.")
    model_path: Path = Field(description="Hugging Face directory of the student.")
    python: str = Field(sys.executable, description="Interpreter of the environment that SGLang is installed in.")
    program: list[str] = Field(["-m", "sglang.launch_server"], description="What the interpreter runs, JSON list.")
    device: str = Field("cuda", description="SGLang's --device.")
    dtype: str = Field("bfloat16", description="SGLang's --dtype.")
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share one copy of the weights.")
    data_parallel: int = Field(1, ge=1, description="Copies of the weights; times tensor_parallel: GPUs in all.")
    memory_fraction: float = Field(0.85, gt=0, lt=1, description="Share of the GPU for weights and cache.")
    context_length: int = Field(0, ge=0, description="Longest prompt plus output; 0 takes the model's own limit.")
    deterministic: bool = Field(True, description="Batch-invariant kernels: log-probabilities do not depend on load.")
    weight_version: str = Field("default", description="Name of the weights that are loaded at the start.")
    api_key: str = Field("", description="Bearer key of the generation routes.")
    admin_api_key: str = Field("", description="Bearer key of the routes that change the engine.")
    extra: list[str] = Field([], description="Further arguments of SGLang, JSON list.")
    start_seconds: float = Field(900.0, gt=0, description="Longest start; large models load and compile for minutes.")
    health_every_seconds: float = Field(10.0, gt=0, description="Pause between health checks, ten seconds at most.")

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host
        return f"http://{host}:{self.port}"


def sglang_command(settings: LauncherSettings) -> list[str]:
    """The command line. Speculative decoding stays off: its log-probabilities are the draft's business too."""
    values: dict[str, object] = {
        "--model-path": settings.model_path,
        "--host": settings.host,
        "--port": settings.port,
        "--device": settings.device,
        "--dtype": settings.dtype,
        "--tp-size": settings.tensor_parallel,
        "--dp-size": settings.data_parallel,
        "--weight-version": settings.weight_version,
    }
    optional: dict[str, object] = {
        "--mem-fraction-static": settings.memory_fraction if settings.device == "cuda" else "",
        "--context-length": settings.context_length or "",
        "--api-key": settings.api_key,
        "--admin-api-key": settings.admin_api_key,
    }
    values |= {name: value for name, value in optional.items() if value != ""}
    flags = ["--enable-metrics"]
    if settings.deterministic and settings.device == "cuda":
        flags.append("--enable-deterministic-inference")
    # An idle scheduler on a CPU otherwise burns a core.
    if settings.device == "cpu":
        flags.append("--sleep-on-idle")
    pairs = [str(part) for pair in values.items() for part in pair]
    return [settings.python, *settings.program, *pairs, *flags, *settings.extra]


def environment() -> dict[str, str]:
    """Added to the launcher's own: models are local directories, and a look-up on the network delays the start."""
    return {"HF_HUB_OFFLINE": "1"}


def backoff_seconds(failures: int) -> float:
    """Pause before the next start: 1, 2, 4 ... 60 s."""
    # The exponent is bounded too: a float overflows after a thousand failures.
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS)
