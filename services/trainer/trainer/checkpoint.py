"""Checkpoints: all that a step leaves behind, written before its episodes are acknowledged."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from contracts.policies import checkpoint_directory, checkpoint_steps
from contracts.records import JsonRecord, StepRecord
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from servicekit.checksums import damage_in
from torch import Tensor

from trainer.durable import remove_unfinished, remove_whole, whole_directory
from trainer.failures import JobFailure
from trainer.tensor_files import write_tensors

WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"
RANDOM_STATE = "random/torch"  # nothing draws from it today; a rule that does will resume exactly too


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
    optimizer = {**checkpoint.optimizer, RANDOM_STATE: checkpoint.random_state}
    digests: dict[str, str] = {}
    with whole_directory(checkpoint_directory(data_root, state.job_id, state.step), digests) as directory:
        digests[WEIGHTS] = write_tensors(directory / WEIGHTS, checkpoint.weights, {"format": "pt"})
        digests[OPTIMIZER] = write_tensors(directory / OPTIMIZER, optimizer)
        (directory / STATE).write_text(state.model_dump_json(indent=1))
    return digests[WEIGHTS]


def newest(
    data_root: Path, job_id: str, tell_damage: Callable[[int, str, int], None] = lambda *_: None
) -> Checkpoint | None:
    """The newest whole checkpoint, or None when there is none at all.

    Damaged ones are passed over: `tell_damage` hears the step, the damage, and the step that is used instead. Raises
    JobFailure when every checkpoint is damaged: starting again from the base student is for the user to decide.
    """
    damaged: dict[int, str] = {}
    for step in reversed(checkpoint_steps(data_root, job_id)):
        try:
            found = load(checkpoint_directory(data_root, job_id, step))
        except DamagedCheckpoint as error:
            damaged[step] = str(error)
            continue
        for bad_step, damage in damaged.items():
            tell_damage(bad_step, damage, step)
        return found
    if damaged:
        directory = checkpoint_directory(data_root, job_id, 0).parent
        detail = f"no whole checkpoint in {directory}: {'; '.join(damaged.values())}; bring one back from a copy"
        raise JobFailure(
            "checkpoint_damaged", f"{detail}, or delete the directory to train from the base student again"
        )
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


def prune(data_root: Path, job_id: str, kept: Collection[int]) -> None:
    """Delete the checkpoints of all other steps, and what crashes left behind."""
    for step in checkpoint_steps(data_root, job_id):
        if step not in kept:
            remove_whole(checkpoint_directory(data_root, job_id, step))
    remove_unfinished(checkpoint_directory(data_root, job_id, 0).parent)
