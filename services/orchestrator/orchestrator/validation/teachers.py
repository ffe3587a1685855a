"""Is the teacher there, and can it teach this task?"""

from collections.abc import Mapping
from typing import Any

from contracts.errors import invalid
from contracts.jobs import JobSpec

FIELD = "teacher.provider"
TUTOR_TASK = "materials"


def check_teacher_fits(spec: JobSpec) -> None:
    """Raises a 422 Problem when the tutor is asked to teach anything but its own task."""
    if spec.teacher.provider == "tutor" and spec.task.name != TUTOR_TASK:
        raise invalid(
            FIELD,
            f"the tutor teaches only the task {TUTOR_TASK}; for {spec.task.name} take openai_compatible "
            "(with base_url and model) or retry",
        )


def check_teacher_available(provider: str, teachers: Mapping[str, Mapping[str, Any]]) -> None:
    """`teachers`: the gateway's answer by provider. Raises a 422 Problem for one it has not or cannot reach."""
    teacher = teachers.get(provider)
    if teacher is None:
        known = ", ".join(sorted(teachers)) or "none"
        raise invalid(FIELD, f"the teacher gateway has no provider {provider!r}; it has: {known}")
    if not teacher.get("available"):
        raise invalid(FIELD, f"{provider} is not available: {teacher.get('detail') or 'see the gateway'}")
