"""Is the teacher there, and can it teach this task?"""

from collections.abc import Mapping
from typing import Any

from contracts.errors import invalid
from contracts.jobs import JobSpec
from contracts.teachers import TeacherSpec
from tasks.tutors import TUTORS

FIELD = "teacher.provider"


def check_teacher_fits(spec: JobSpec) -> None:
    """Raises a 422 Problem when the tutor is asked to teach anything but its own tasks."""
    if spec.teacher.provider == "tutor" and spec.task.name not in TUTORS:
        raise invalid(
            FIELD,
            f"the tutor teaches only the tasks {' and '.join(TUTORS)}; for {spec.task.name} take openai_compatible "
            "(with base_url and model) or retry",
        )


def check_teacher_available(spec: TeacherSpec, teachers: Mapping[str, Mapping[str, Any]]) -> None:
    """`teachers`: the gateway's answer by name. Raises a 422 Problem for one it has not or cannot reach."""
    name, field = (spec.name, "teacher.name") if spec.name else (spec.provider, FIELD)
    teacher = teachers.get(name)
    if teacher is None:
        known = ", ".join(sorted(teachers)) or "none"
        kind = "teacher" if spec.name else "provider"
        raise invalid(field, f"the teacher gateway has no {kind} {name!r}; it has: {known}")
    if not teacher.get("available"):
        raise invalid(field, f"{name} is not available: {teacher.get('detail') or 'see the gateway'}")
