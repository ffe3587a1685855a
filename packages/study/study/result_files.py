"""Results on disk: one JSON Lines file an experiment, appended one whole line at a time."""

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import Problem
from pydantic import ValidationError

from study.plan import Cell
from study.records import CellResult


@contextmanager
def sole_writer(directory: Path) -> Iterator[None]:
    """Two runs would do the same cells twice. Raises Problem; the kernel drops the lock with the process."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory, os.O_RDONLY)
    try:
        take(lock, directory)
        yield
    finally:
        os.close(lock)


def take(lock: int, directory: Path) -> None:
    """Raises Problem when another process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        detail = f"Another study run writes to {directory}. Wait for it, stop it, or give this one its own --results"
        raise Problem(409, "study_running", detail) from None


def read_results(directory: Path, plan: str) -> list[CellResult]:
    """The last result of every cell, in the order of the files. Raises Problem for a line that is none of this plan.

    What follows the last newline was cut off by a crash and counts as not run.
    """
    found: dict[str, CellResult] = {}
    for path in sorted(directory.glob("*.jsonl")):
        whole = path.read_text("utf-8").rpartition("\n")[0]
        for number, line in enumerate(whole.splitlines(), 1):
            result = parse(line, f"{path}:{number}")
            if result.plan != plan:
                detail = f"{path}:{number} is of the plan {result.plan}, not {plan}; give each plan its own --results"
                raise Problem(409, "other_plan", detail)
            found[result.cell] = result
    return list(found.values())


def parse(line: str, place: str) -> CellResult:
    """Raises Problem that names the place."""
    try:
        return CellResult.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Problem(409, "bad_result", f"{place} is no result ({where}: {first['msg']}); remove the line") from None


def append_result(directory: Path, result: CellResult) -> None:
    """On disk when this returns. A line that a crash cut off before is removed first."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{result.experiment}.jsonl"
    line = (result.model_dump_json() + "\n").encode()
    with path.open("a+b") as file:
        file.truncate(whole_length(path))
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def whole_length(path: Path) -> int:
    """Bytes up to and with the last newline."""
    return path.read_bytes().rfind(b"\n") + 1


def check_unchanged(cells: Iterable[Cell], results: Sequence[CellResult], directory: Path) -> None:
    """Raises Problem when a result is of another job than its cell: old and new ones must not be compared."""
    planned = {cell.id: cell for cell in cells if cell.awaits is None}
    changed = [
        each.cell for each in results if each.cell in planned and planned[each.cell].fingerprint != each.fingerprint
    ]
    if changed:
        others = f" and {len(changed) - 1} others" if changed[1:] else ""
        detail = (
            f"The plan has changed since {changed[0]}{others} ran, and results of two plans must not be mixed. "
            f"Take the change back (git diff the plan), or run anew: move the experiment's file out of {directory}"
        )
        raise Problem(409, "plan_changed", detail)
