"""Stacks that are kept up for many cells: one a lane, started anew only when the next cell needs other engines."""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contracts.errors import Problem
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.plan import StackRequest

# Redis keeps every episode of every job of a stack in memory, some tens of megabytes a cell.
CELLS_PER_STACK = 25
# What may differ between students that one engine serves one after another: nothing of the network itself.
INCIDENTAL = frozenset({"_name_or_path", "transformers_version", "eos_token_id", "pad_token_id", "bos_token_id"})

Prepare = Callable[[Path, Path, Path | None], StackRequest]


class Lane:
    """One stack at a time, in a directory of its own.

    Use it on the main thread: the kernel ends a stack with the thread that started it.
    """

    def __init__(self, directory: Path, prepare: Prepare, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.prepare = prepare  # (state directory, student, local teacher) -> the stack to start
        self.environment = environment
        self.served: Any = None
        self.cells = 0
        self.stacks = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, traceback)
        # Logs are kept of what went wrong, not of what was ended or interrupted.
        if kind is None or not issubclass(kind, Exception):
            shutil.rmtree(self.directory, ignore_errors=True)

    def client_for(self, student: Path, local_teacher: Path | None) -> Client:
        """A client of a stack whose engine can serve this student, with this local teacher."""
        wanted = network_of(student), local_teacher
        if self.served != wanted or self.cells >= CELLS_PER_STACK:
            self.start(student, local_teacher)
            self.served, self.cells = wanted, 0
        self.cells += 1
        return self.client

    def start(self, student: Path, local_teacher: Path | None) -> None:
        """A fresh stack instead of the one before; what that one kept is in the results."""
        self._open.close()
        self._open = ExitStack()
        home = self.directory / f"stack-{self.stacks}"
        self.stacks += 1
        request = self.prepare(home, student, local_teacher)
        state = self._open.enter_context(own_stack(request, self.environment, lambda state: None))
        self.client = self._open.enter_context(Client(state.orchestrator_url))


def network_of(student: Path) -> dict[str, Any]:
    """What of a student's config.json the engine's network depends on. Raises Problem when there is none."""
    path = student / "config.json"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Problem(422, "no_student", f"{path} cannot be read ({error})", field="student.model") from None
    return {name: value for name, value in config.items() if name not in INCIDENTAL}
