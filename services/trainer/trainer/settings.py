"""Settings of the trainer."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from servicekit.addresses import ServiceUrl
from servicekit.settings import ServiceSettings

from trainer.tensorboard_log import is_installed


class TrainerSettings(ServiceSettings):
    """Read once, by `main`, from the environment."""

    model_config = SettingsConfigDict(env_prefix="TRAINER_", extra="forbid", frozen=True)

    port: int = Field(8003, ge=0, le=65535, description="TCP port of health and metrics; 0 takes any free one.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis with the jobs and episode streams.")
    student_urls: list[ServiceUrl] = Field(
        ["http://127.0.0.1:30000"], min_length=1, description="JSON list: every student engine that samples for us."
    )
    student_api_key: SecretStr | None = Field(
        None, description="Key of the student engines' normal routes, for the proof of their weights."
    )
    student_admin_key: SecretStr | None = Field(
        None, description="Key of the engines' routes that change weights or pause; default: student_api_key."
    )
    gateway_url: ServiceUrl = Field(
        "http://127.0.0.1:8001", description="The teacher gateway, whose scoring door training.teacher_kl asks."
    )
    weight_route: Literal["shared_directory", "broadcast", "upload"] = Field(
        "shared_directory",
        description="How weights reach the engines: `shared_directory` (they read data_root under the same path), "
        "`broadcast` (a process group), `upload` (HTTP, for engines that share no disk; the CPU engine only).",
    )
    swap_failure: Literal["rotate_out", "roll_back"] = Field(
        "rotate_out",
        description="When some replicas fail to swap: `rotate_out` goes on with the others and mends the failed ones; "
        "`roll_back` returns all to the version before and tries again, so that none ever serves alone.",
    )
    canary_tolerance: float | None = Field(
        None,
        gt=0,
        description="Largest engine/trainer gap of a proof, nats; by default 1e-4, and 0.25 for jobs in bf16. "
        "Raise it for an engine in bf16 beside a trainer in fp32.",
    )
    broadcast_address: str = Field("127.0.0.1", description="Where the engines reach this process for a broadcast.")
    broadcast_backend: Literal["gloo", "nccl"] = Field(
        "gloo", description="gloo between CPUs, nccl between GPUs: what the engines were started with."
    )
    data_root: Path = Field(
        Path(".socratic/data"), description="Checkpoints and policies; engines of a shared_directory must see it too."
    )
    model_roots: list[Path] = Field([Path()], description="JSON list: directories below which base students may lie.")
    threads: int = Field(
        1, ge=1, description="Torch threads of each process; one is fastest for small students on a shared machine."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where to train: `auto` takes a GPU where there is one. Each process of a machine takes one.",
    )
    rank_wait_seconds: float = Field(
        600, ge=10, description="With several processes: longest wait of one for the others; past it, all end."
    )
    tensorboard: bool = Field(
        False, description="Write TensorBoard files into each job's directory; needs socratic-trainer[tensorboard]."
    )

    @field_validator("tensorboard")
    @classmethod
    def installed(cls, wanted: bool) -> bool:
        """Said at the start, not after the first step."""
        if wanted and not is_installed():
            raise ValueError(
                "tensorboard is not installed; pip install 'socratic-trainer[tensorboard]', or leave it off"
            )
        return wanted
