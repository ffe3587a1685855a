"""What can go wrong with a teacher. Each failure is a problem with a stable code; some are worth another try."""

from typing import Literal

from contracts.errors import Problem

FailureCode = Literal[
    "teacher_unreachable",
    "teacher_failed",
    "teacher_rate_limited",
    "teacher_refused",
    "teacher_timeout",
    "teacher_answer_empty",
    "teacher_answer_invalid",
    "teacher_content_filtered",
    "teacher_resting",
    "teacher_policy_moved",
]


class TeacherFailure(Problem):
    """The teacher gave no guidance, and asking again would not change that."""

    def __init__(self, status: int, code: FailureCode, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(status, code, detail, retry_after=retry_after)


class PassingFailure(TeacherFailure):
    """Another try may succeed; `retry_after` holds the teacher's own wish in seconds, if it said one."""


class EmptyAnswer(PassingFailure):
    """The teacher answered without a word. Sampling may do that once; twice is a fault."""

    def __init__(self, detail: str) -> None:
        super().__init__(502, "teacher_answer_empty", detail)
