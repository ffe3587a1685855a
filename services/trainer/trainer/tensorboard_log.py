"""TensorBoard's event files, for those who watch many runs there: off by default, behind an extra of this package."""

import importlib.util
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from contracts.policies import job_directory
from contracts.records import StepRecord

from trainer.quantities import QUANTITIES, advantages_of, number_of

NEEDED = "tensorboard"


def is_installed() -> bool:
    """Without importing it, which takes seconds."""
    return importlib.util.find_spec(NEEDED) is not None


class TensorBoardLog:
    """`tensorboard/` in the job's directory: one point a step and quantity, whatever was killed or replayed."""

    def __init__(self, data_root: Path, job_id: str) -> None:
        self.directory = job_directory(data_root, job_id) / "tensorboard"
        self.writer: Any = None

    def append(self, record: StepRecord) -> None:
        """Write the step. A replayed step takes the place of what a killed process wrote of it. Raises OSError."""
        if self.writer is None:
            self.writer = summary_writer(self.directory, purge_step=record.step)
        for tag, value in scalars(record):
            self.writer.add_scalar(tag, value, record.step)
        self.writer.flush()


def summary_writer(directory: Path, purge_step: int) -> Any:
    """Points of `purge_step` and later, written by an earlier process, are no longer shown."""
    from torch.utils.tensorboard import SummaryWriter  # takes seconds, and only who wants it has it

    return SummaryWriter(str(directory), purge_step=purge_step)


def scalars(record: StepRecord) -> Iterator[tuple[str, float]]:
    """Tag and value of everything that was measured."""
    found = {f"step/{item.field}": number_of(record, item.field) for item in QUANTITIES}
    found |= {f"phase_seconds/{phase}": seconds for phase, seconds in record.phase_seconds.items()}
    for line in record.attempts:
        found[f"decay_factor/attempt_{line.attempt}"] = line.decay_factor
        found |= {
            f"advantage_{outcome}/attempt_{line.attempt}": advantage
            for outcome, advantage in advantages_of(line).items()
        }
    return ((tag, value) for tag, value in found.items() if isfinite(value))
