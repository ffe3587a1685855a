"""`stack.json`: how other commands find the running stack."""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from socratic.stack.process import start_ticks

FILE_NAME = "stack.json"
StackStatus = Literal["starting", "ready", "stopping", "failed", "stopped"]


class StateModel(BaseModel):
    """Base: closed, so that a file of another version is seen as such."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProcessState(StateModel):
    """One process of the stack."""

    name: str
    pid: int
    started: int | None
    url: str
    log: Path
    ready: bool
    restarts: int


class StackState(StateModel):
    """The whole stack; `started` are clock ticks since boot, which tell a process from a later one of the same pid."""

    version: Literal[1] = 1
    status: StackStatus
    reason: str = ""
    pid: int
    started: int | None
    student: Path
    orchestrator_url: str
    processes: list[ProcessState]

    @property
    def alive(self) -> bool:
        """The supervisor that wrote this still runs."""
        return self.started is not None and start_ticks(self.pid) == self.started

    def waiting_for(self) -> list[str]:
        """Names of the processes that are not ready."""
        return [process.name for process in self.processes if not process.ready]


def write_state(home: Path, state: StackState) -> None:
    """Replace the file in one piece. It is private: addresses may carry passwords."""
    temporary = home / f".{FILE_NAME}.{os.getpid()}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(state.model_dump_json(indent=2))
    temporary.rename(home / FILE_NAME)


def read_state(home: Path) -> StackState | None:
    """What the last supervisor of this directory wrote, or None; it may be stale: ask `alive`."""
    try:
        return StackState.model_validate_json((home / FILE_NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
