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
