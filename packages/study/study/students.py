"""Base students of a plan: made where they are missing."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from contracts.errors import Problem

from study.plan import StudentPlan

# The built-in ones take five minutes on a quiet core.
MAKE_SECONDS = 3600.0


def prepare_students(students: Mapping[str, StudentPlan], wanted: Iterable[str], tell: Callable[[str], None]) -> None:
    """Make those that are wanted and missing. Raises Problem when one cannot be made."""
    for name in wanted:
        student = students[name]
        if (Path(student.model) / "config.json").is_file():
            continue
        if not student.make:
            detail = (
                f"Student {name}: there is no model directory {student.model}, and the plan does not say how to make it"
            )
            raise Problem(422, "no_student", detail)
        tell(f"making student {name}: {student.model}")
        make_student(name, student)


def make_student(name: str, student: StudentPlan) -> None:
    """By the command that a user would type. Raises Problem with its last words."""
    command = [sys.executable, "-m", "socratic.cli", "student", "make-base", *student.make, "--out", student.model]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=MAKE_SECONDS, check=False)
    if ended.returncode != 0:
        words = (ended.stderr or ended.stdout).strip()[-500:]
        raise Problem(500, "student_not_made", f"Student {name} could not be made: {words}")
