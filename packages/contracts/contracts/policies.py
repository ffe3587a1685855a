"""Policy versions: how a version is named towards the engine, and where its weights lie."""

import re
from pathlib import Path

CHECKPOINT_NAME = re.compile(r"step-(\d{6,})")


def engine_version(job_id: str, version: int) -> str:
    """The engine's `weight_version` for this policy version of this job (engines are shared between jobs)."""
    return f"{job_id}:{version}"


def parse_engine_version(text: str) -> tuple[str, int] | None:
    """The (job id, policy version) of an engine's weight version, or None when it holds some other weights."""
    job_id, separator, version = text.rpartition(":")
    if not separator or not (version.isascii() and version.isdigit()):
        return None
    return job_id, int(version)


def job_directory(data_root: Path, job_id: str) -> Path:
    """What the trainer keeps of a job on disk."""
    return data_root / "jobs" / job_id


def policy_directory(data_root: Path, job_id: str, version: int) -> Path:
    """A Hugging Face model directory: config, tokenizer, model.safetensors."""
    return job_directory(data_root, job_id) / "policies" / f"v{version:06d}"


def checkpoint_directory(data_root: Path, job_id: str, step: int) -> Path:
    """Weights, optimizer, random state, and the episode ids consumed up to this step."""
    return job_directory(data_root, job_id) / "checkpoints" / f"step-{step:06d}"


def step_of(checkpoint: Path) -> int | None:
    """The step of a checkpoint's directory, or None when it is no checkpoint by its name."""
    match = CHECKPOINT_NAME.fullmatch(checkpoint.name)
    return int(match[1]) if match else None


def checkpoint_steps(data_root: Path, job_id: str) -> list[int]:
    """Steps that have a checkpoint, oldest first."""
    parent = checkpoint_directory(data_root, job_id, 0).parent
    steps = map(step_of, parent.iterdir() if parent.is_dir() else [])
    return sorted(step for step in steps if step is not None)


def model_directory(path: Path) -> Path:
    """What a student is loaded from: a checkpoint stands for the policy version that it was published as."""
    step, job = step_of(path), path.parent.parent
    if step is None or path.parent.name != "checkpoints":
        return path
    return policy_directory(job.parent.parent, job.name, step)
