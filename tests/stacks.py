"""What tests of whole stacks share."""

from pathlib import Path

from socratic.stack.plan import StackRequest
from socratic.stack.redis import redis_executable

REPOSITORY = Path(__file__).parents[1]


def materials_stack(home: Path) -> StackRequest:
    """A stack that serves the shipped student, with its state in `home`."""
    return StackRequest(
        home=home,
        working_directory=REPOSITORY,
        student=REPOSITORY / "models/materials-base",
        redis_executable=redis_executable(),
    )


def environment_of(pid: int) -> dict[str, str]:
    """Of a process; empty where it has ended."""
    try:
        items = Path(f"/proc/{pid}/environ").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(item.split("=", 1) for item in items if item)
