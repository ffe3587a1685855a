"""Base students of a plan: made where they are missing, when their first cell comes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from contracts.errors import Problem

from study.plan import StudentPlan

# The built-in ones take five minutes on a quiet core.
MAKE_SECONDS = 3600.0


def prepare_student(name: str, student: StudentPlan, tell: Callable[[str], None]) -> Path:
    """Its directory; made where it is missing. Raises Problem when it cannot be."""
    directory = Path(student.model)
    if (directory / "config.json").is_file():
        return directory
    if not student.make:
        detail = (
            f"Student {name}: there is no model directory {student.model}, and the plan does not say how to make it"
        )
        raise Problem(422, "no_student", detail)
    tell(f"making student {name}: {student.model}")
    make_student(name, student)
    return directory


def make_student(name: str, student: StudentPlan) -> None:
    """By the command that a user would type. Raises Problem with its last words."""
    command = [sys.executable, "-m", "socratic.cli", "student", "make-base", *student.make, "--out", student.model]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=MAKE_SECONDS, check=False)
    if ended.returncode != 0:
        words = (ended.stderr or ended.stdout).strip()[-500:]
        raise Problem(500, "student_not_made", f"Student {name} could not be made: {words}")
