"""One trainer per job directory: two would write each other's checkpoints."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DirectoryBusy(Exception):
    """Another trainer works on the job."""


@contextmanager
def sole_trainer(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, which the kernel gives back however the process ends. Raises DirectoryBusy."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "trainer.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DirectoryBusy(f"another trainer works in {directory}") from error
        yield
