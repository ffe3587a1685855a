"""Reads the checkpoints that the trainer keeps of a job: what they hold, whether they are whole, why they are kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from contracts.jobs import JobSpec
from contracts.policies import checkpoint_directory, checkpoint_steps, policy_directory
from contracts.retention import Rule, kept_by
from contracts.stored_specs import UnreadableSpec
from contracts.views import Checkpoint
from servicekit.checksums import damage_in, listed_in

# Read in a tenth of a second or two; a larger checkpoint is read only when asked for.
READ_AT_EVERY_LOOK_BYTES = 64 * 2**20
WEIGHTS = "model.safetensors"
# Name, size, time of change and inode of every file: equal ones hold what they held at the last look.
Signature = tuple[tuple[str, int, int, int], ...]


@dataclass
class CheckpointShelf:
    """The checkpoints below the trainer's data root. Files that have not changed are read once."""

    data_root: Path
    looked_at: dict[Path, tuple[Signature, str | None]] = field(default_factory=dict)

    def of_job(
        self, job_id: str, spec: JobSpec | UnreadableSpec, accuracies: Mapping[int, float], verify: bool
    ) -> list[Checkpoint]:
        """Oldest first. Reads files: call it in a thread."""
        rules = rules_of(spec, checkpoint_steps(self.data_root, job_id), accuracies)
        found = [self.look(job_id, step, kept, accuracies.get(step), verify) for step, kept in rules.items()]
        return [item for item in found if item is not None]

    def look(self, job_id: str, step: int, kept: list[Rule], accuracy: float | None, verify: bool) -> Checkpoint | None:
        """One checkpoint; None when the trainer deletes it just now."""
        directory = checkpoint_directory(self.data_root, job_id, step)
        try:
            signature, created_at = signature_of(directory), directory.stat().st_mtime
        except FileNotFoundError:
            return None
        size = sum(entry[1] for entry in signature)
        status, damage = self.state(directory, signature, verify or size <= READ_AT_EVERY_LOOK_BYTES)
        policy = policy_directory(self.data_root, job_id, step)
        return Checkpoint(
            job_id=job_id,
            step=step,
            status=status,
            damage=damage,
            sha256=weights_digest(directory),
            bytes=size,
            created_at=created_at,
            kept_by=kept,
            unassisted_accuracy=accuracy,
            student_model=str(policy.relative_to(self.data_root)) if policy.is_dir() else None,
        )

    def state(
        self, directory: Path, signature: Signature, read: bool
    ) -> tuple[Literal["whole", "damaged", "unverified"], str | None]:
        """Whether the files are what was written, and what is wrong with them."""
        known = self.looked_at.get(directory)
        if known is None or known[0] != signature:
            if not read:
                return "unverified", None
            known = self.looked_at[directory] = (signature, damage_in(directory))
        return ("whole" if known[1] is None else "damaged"), known[1]


def rules_of(
    spec: JobSpec | UnreadableSpec, steps: Iterable[int], accuracies: Mapping[int, float]
) -> dict[int, list[Rule]]:
    """No trainer works by a spec that cannot be read, so that none of the job's checkpoints goes by itself."""
    if isinstance(spec, UnreadableSpec):
        return {step: ["unreadable_spec"] for step in steps}
    return kept_by(spec, steps, accuracies)


def signature_of(directory: Path) -> Signature:
    """Raises FileNotFoundError when a file goes away meanwhile."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    stats = [(path, path.stat()) for path in files]
    return tuple((path.name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in stats)


def weights_digest(directory: Path) -> str | None:
    """Of the weights as they were written; None when that cannot be read any more."""
    try:
        return listed_in(directory).get(WEIGHTS)
    except (OSError, ValueError):
        return None
