"""Where a job's base student lies."""

from collections.abc import Sequence
from pathlib import Path

from contracts.policies import model_directory

from trainer.failures import JobFailure


def find_student(model: str, roots: Sequence[Path]) -> Path:
    """The directory that `student.model` names, inside one of the roots. Raises JobFailure."""
    resolved_roots = [root.resolve() for root in roots]
    for root in resolved_roots:
        directory = model_directory((root / model).resolve())
        if directory.is_dir() and any(directory.is_relative_to(allowed) for allowed in resolved_roots):
            return directory
    places = ", ".join(str(root) for root in resolved_roots) or "none configured"
    raise JobFailure(
        "student_missing", f"student.model: {model} is no directory below the trainer's model roots ({places})"
    )
