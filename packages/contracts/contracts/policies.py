"""Policy versions: how a version is named towards the engine, and where its weights lie."""

from pathlib import Path


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
