"""The students that a job may name: directories below the model roots, and policies that the trainer has published."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import Problem
from contracts.policies import policy_directory
from contracts.views import Model

from orchestrator.validation.students import check_architecture

# A Hugging Face cache holds models five levels down; deeper trees are data, and walking them would take long.
DEEPEST = 5
MOST_MODELS = 10_000
WEIGHTS = ("*.safetensors", "*.bin")


def find_models(roots: Sequence[Path], data_root: Path, served: Mapping[str, Any] | None) -> list[Model]:
    """By id. served: config of the model that the engine runs, None where it does not answer. Blocks on the disk."""
    found: dict[str, Model] = {}
    for root in roots:
        for directory in model_directories(root.resolve(), DEEPEST):
            name = str(directory.relative_to(root.resolve()))
            if name not in found and len(found) < MOST_MODELS:
                found[name] = model_of(name, directory, data_root, served)
    return [found[name] for name in sorted(found)]


def model_directories(directory: Path, deepest: int) -> Iterator[Path]:
    """Directories with a config.json; nothing below one of them, nothing hidden, no link is followed."""
    if (directory / "config.json").is_file():
        yield directory
        return
    if deepest == 0:
        return
    try:
        entries = sorted(entry.path for entry in os.scandir(directory) if is_worth_a_look(entry))
    except OSError:
        return
    for path in entries:
        yield from model_directories(Path(path), deepest - 1)


def is_worth_a_look(entry: os.DirEntry[str]) -> bool:
    """Checkpoints hold weights too, but no job can start from one."""
    hidden = entry.name.startswith((".", "__")) or entry.name in ("node_modules", "checkpoints", "batches")
    return not hidden and entry.is_dir(follow_symlinks=False)


def model_of(name: str, directory: Path, data_root: Path, served: Mapping[str, Any] | None) -> Model:
    """What a list shows of one model."""
    config = config_of(directory)
    job_id, version = policy_of(directory, data_root)
    files = [path for pattern in WEIGHTS for path in directory.glob(pattern)]
    return Model(
        id=name,
        kind="base" if job_id is None else "policy",
        job_id=job_id,
        policy_version=version,
        model_type=config.get("model_type"),
        bytes=sum(path.stat().st_size for path in files if path.is_file()),
        served=served is not None and suits(config, served),
    )


def config_of(directory: Path) -> dict[str, Any]:
    """Empty where it cannot be read: the list shows the directory all the same."""
    try:
        config = json.loads((directory / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def policy_of(directory: Path, data_root: Path) -> tuple[str | None, int | None]:
    """(job id, version) of a directory that the trainer published."""
    try:
        _, job_id, _, name = directory.relative_to(data_root.resolve()).parts
    except ValueError:
        return None, None
    version = int(name[1:]) if name[1:].isdecimal() else -1
    is_policy = policy_directory(data_root.resolve(), job_id, version) == directory
    return (job_id, version) if is_policy else (None, None)


def suits(config: Mapping[str, Any], served: Mapping[str, Any]) -> bool:
    """The engine can serve it."""
    try:
        check_architecture(config, served)
    except Problem:
        return False
    return True
