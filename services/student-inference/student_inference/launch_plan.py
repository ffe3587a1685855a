"""What the launchers run: pure functions from settings to the command lines of SGLang and vLLM."""

import sys
from pathlib import Path
from typing import Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ServiceSettings

from student_inference.machine import gpu_bytes, gpus_for_one_copy

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class EngineSettings(ServiceSettings):
    """Which model, on which devices, and how patient the launcher is."""

    model_path: Path = Field(description="Hugging Face directory of the model.")
    python: str = Field(sys.executable, description="Interpreter of the environment that the engine is installed in.")
    device: str = Field("cuda", description="SGLang's --device; for vLLM cuda, or cpu for its build without GPU.")
    dtype: str = Field("bfloat16", description="The engine's --dtype.")
    tensor_parallel: int = Field(0, ge=0, description="GPUs that share one copy of the weights; 0: as few as hold it.")
    data_parallel: int = Field(
        0,
        ge=0,
        description="Copies of the weights; times tensor_parallel: GPUs in all; 0: as many as there is room for.",
    )
    memory_fraction: float = Field(0.85, gt=0, lt=1, description="Share of the GPU for weights and cache.")
    context_length: int = Field(0, ge=0, description="Longest prompt plus output; 0 takes the model's own limit.")
    api_key: str = Field("", description="Bearer key of the generation routes.")
    extra: list[str] = Field([], description="Further arguments of the engine, JSON list.")
    start_seconds: float = Field(900.0, gt=0, description="Longest start; large models load and compile for minutes.")
    health_every_seconds: float = Field(10.0, gt=0, description="Pause between health checks, ten seconds at most.")

    def for_this_machine(self) -> Self:
        """With both numbers of GPUs decided. Raises ModelError for a model that this machine's GPUs do not hold."""
        gpus = [] if self.device == "cpu" or (self.tensor_parallel and self.data_parallel) else gpu_bytes()
        copy = self.tensor_parallel or (gpus_for_one_copy(self.model_path, gpus, self.memory_fraction) if gpus else 1)
        copies = self.data_parallel or max(len(gpus) // copy, 1)
        return self.model_copy(update={"tensor_parallel": copy, "data_parallel": copies})

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host
        return f"http://{host}:{self.port}"


class LauncherSettings(EngineSettings):
    """SGLang as a student's engine."""

    model_config = SettingsConfigDict(
        env_prefix="SGLANG_LAUNCHER_", extra="forbid", frozen=True, protected_namespaces=()
    )

    port: int = Field(30000, ge=1, le=65535, description="TCP port of SGLang.")
    program: list[str] = Field(["-m", "sglang.launch_server"], description="What the interpreter runs, JSON list.")
    deterministic: bool = Field(True, description="Batch-invariant kernels: log-probabilities do not depend on load.")
    weight_version: str = Field("default", description="Name of the weights that are loaded at the start.")
    admin_api_key: str = Field("", description="Bearer key of the routes that change the engine.")


class TeacherLauncherSettings(EngineSettings):
    """vLLM's OpenAI server as a local teacher."""

    model_config = SettingsConfigDict(env_prefix="VLLM_LAUNCHER_", extra="forbid", frozen=True, protected_namespaces=())

    port: int = Field(8100, ge=1, le=65535, description="TCP port of vLLM.")
    program: list[str] = Field(
        ["-m", "vllm.entrypoints.openai.api_server"], description="What the interpreter runs, JSON list."
    )
    served_model_name: str = Field("", description="The name that the teachers file calls it by; empty: model_path.")


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
        "--mem-fraction-static": settings.memory_fraction if settings.device == "cuda" else "",
        "--context-length": settings.context_length or "",
        "--api-key": settings.api_key,
        "--admin-api-key": settings.admin_api_key,
    }
    flags = ["--enable-metrics"]
    if settings.deterministic and settings.device == "cuda":
        flags.append("--enable-deterministic-inference")
    # An idle scheduler on a CPU otherwise burns a core.
    if settings.device == "cpu":
        flags.append("--sleep-on-idle")
    return [settings.python, *settings.program, *arguments(values), *flags, *settings.extra]


def vllm_command(settings: TeacherLauncherSettings) -> list[str]:
    """The command line; the key goes by the environment, where `ps` does not show it."""
    values: dict[str, object] = {
        "--model": settings.model_path,
        "--served-model-name": settings.served_model_name,
        "--host": settings.host,
        "--port": settings.port,
        "--dtype": settings.dtype,
        "--tensor-parallel-size": settings.tensor_parallel,
        "--data-parallel-size": settings.data_parallel,
        "--gpu-memory-utilization": settings.memory_fraction if settings.device == "cuda" else "",
        "--max-model-len": settings.context_length or "",
    }
    return [settings.python, *settings.program, *arguments(values), *settings.extra]


def arguments(values: dict[str, object]) -> list[str]:
    """Names and values of those that are given."""
    return [str(part) for pair in values.items() if pair[1] != "" for part in pair]


def sglang_environment() -> dict[str, str]:
    """Added to the launcher's own: models are local directories, and a look-up on the network delays the start."""
    return {"HF_HUB_OFFLINE": "1"}


def vllm_environment(settings: TeacherLauncherSettings) -> dict[str, str]:
    """As for SGLang; nothing is reported to anybody."""
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    return quiet | ({"VLLM_API_KEY": settings.api_key} if settings.api_key else {})


def backoff_seconds(failures: int) -> float:
    """Pause before the next start: 1, 2, 4 ... 60 s."""
    # The exponent is bounded too: a float overflows after a thousand failures.
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS)
