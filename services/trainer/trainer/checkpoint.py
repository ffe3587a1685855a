"""Checkpoints: all that a step leaves behind, written before its episodes are acknowledged."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog
from contracts.policies import checkpoint_directory
from contracts.records import JsonRecord, StepRecord
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer.durable import damage_in, sha256_of, whole_directory

WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"
RANDOM_STATE = "random/torch"  # nothing draws from it today; a rule that does will resume exactly too
STEP_NAME = re.compile(r"step-(\d{6,})")
log = structlog.get_logger()


class CheckpointState(JsonRecord):
    """The part of a checkpoint that is no tensor."""

    version: int = 1
    job_id: str
    step: int
    updates: int = Field(description="Optimizer updates so far: the place in the warm-up.")
    consumed: dict[int, list[str]] = Field(description="Episode ids by step, since the checkpoint before.")
    method_state: dict[str, list[float]] = Field(
        default_factory=dict, description="What the learning rule carries from step to step."
    )
    record: StepRecord = Field(description="Of this step, for a crash between the commit and its announcement.")
    opened_at: float = Field(description="Unix time at which the step's first episode began.")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training needs to go on as if it had never stopped."""

    state: CheckpointState
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    random_state: Tensor


def save(data_root: Path, checkpoint: Checkpoint) -> str:
    """Commit it. Returns the SHA-256 of its weights. Raises OSError; then no part of it is seen."""
    state = checkpoint.state
    with whole_directory(checkpoint_directory(data_root, state.job_id, state.step)) as directory:
        save_file(checkpoint.weights, directory / WEIGHTS, metadata={"format": "pt"})
        save_file({**checkpoint.optimizer, RANDOM_STATE: checkpoint.random_state}, directory / OPTIMIZER)
        (directory / STATE).write_text(state.model_dump_json(indent=1))
        return sha256_of(directory / WEIGHTS)


def newest(data_root: Path, job_id: str) -> Checkpoint | None:
    """The newest whole checkpoint, or None. A damaged one is named in the log and the one before it is used."""
    for step in reversed(steps_in(data_root, job_id)):
        directory = checkpoint_directory(data_root, job_id, step)
        try:
            return load(directory)
        except DamagedCheckpoint as error:
            log.error("checkpoint_damaged", directory=str(directory), damage=str(error), next="the one before is used")
    return None


class DamagedCheckpoint(Exception):
    """What is on disk is not what was written."""


def load(directory: Path) -> Checkpoint:
    """Raises DamagedCheckpoint with the file's name and what is wrong with it."""
    damage = damage_in(directory)
    if damage is not None:
        raise DamagedCheckpoint(f"{directory.name}: {damage}")
    try:
        state = CheckpointState.model_validate_json((directory / STATE).read_bytes())
        weights, optimizer = load_file(directory / WEIGHTS), load_file(directory / OPTIMIZER)
        return Checkpoint(state, weights, optimizer, random_state=optimizer.pop(RANDOM_STATE))
    except (OSError, ValidationError, SafetensorError, KeyError) as error:
        raise DamagedCheckpoint(f"{directory.name}: {error}") from error


def steps_in(data_root: Path, job_id: str) -> list[int]:
    """Steps that have a checkpoint, oldest first."""
    parent = checkpoint_directory(data_root, job_id, 0).parent
    names = [STEP_NAME.fullmatch(path.name) for path in parent.iterdir()] if parent.is_dir() else []
    return sorted(int(match[1]) for match in names if match)


def prune(data_root: Path, job_id: str, keep: int) -> None:
    """Leave the newest `keep`."""
    for step in steps_in(data_root, job_id)[:-keep]:
        shutil.rmtree(checkpoint_directory(data_root, job_id, step))
