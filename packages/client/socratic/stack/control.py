"""What the command line does with stacks: start one, find it, wait until it is ready, stop it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from contracts.errors import Problem

from socratic.stack.plan import StackRequest
from socratic.stack.process import Child, last_lines, spawn
from socratic.stack.state import StackState, read_state
from socratic.stack.supervisor import STOP_GRACE_SECONDS
from socratic.stack.watched import READY_SECONDS

POLL_SECONDS = 0.05
# Each process has READY_SECONDS from its own start; the supervisor reports a late one before this runs out.
STACK_READY_SECONDS = READY_SECONDS + 10.0
# Services and then Redis each have the grace time; the rest is for a slow disk.
STACK_STOP_SECONDS = 2 * STOP_GRACE_SECONDS + 10.0
RUNS = "runs"


def start_supervisor(request: StackRequest, environment: Mapping[str, str], detached: bool) -> Child:
    """A supervisor process for the stack. Detached it outlives this process, else it is told to stop with it."""
    command = [sys.executable, "-P", "-m", "socratic.stack"]
    log = request.log_directory / "supervisor.log"
    death_signal = None if detached else signal.SIGTERM
    return spawn(command, environment, log, death_signal, request.model_dump_json())


def await_ready(
    supervisor: Child, home: Path, progress: Callable[[StackState], None] = lambda state: None
) -> StackState:
    """The state of the stack once every process can take work. Raises Problem when it failed or is late."""
    deadline = time.monotonic() + STACK_READY_SECONDS
    while time.monotonic() < deadline:
        state = read_state(home)
        if state is not None and (state.pid, state.started) == (supervisor.pid, supervisor.started):
            progress(state)
            if state.status == "ready":
                return state
            if state.status == "failed":
                raise Problem(503, "stack_failed", state.reason)
        if supervisor.exit_status() is not None:
            raise Problem(503, "stack_failed", f"The supervisor ended early. {last_lines(supervisor.log)}")
        time.sleep(POLL_SECONDS)
    raise Problem(503, "stack_late", f"The stack was not ready in {STACK_READY_SECONDS:.0f} s; logs: {home / 'logs'}")


def running_stack(home: Path, with_runs: bool = True) -> StackState | None:
    """The living stack of this directory, else (`with_runs`) the newest living one of a `socratic run` below it."""
    runs = sorted((home / RUNS).glob("*"), reverse=True) if with_runs else []
    for directory in (home, *runs):
        state = read_state(directory)
        if state is not None and state.alive:
            return state
    return None


def stop_stack(state: StackState) -> None:
    """SIGTERM to the supervisor, which stops its processes; SIGKILL when it hangs: the kernel ends them with it."""
    for number, seconds in ((signal.SIGTERM, STACK_STOP_SECONDS), (signal.SIGKILL, STOP_GRACE_SECONDS)):
        if not state.alive:
            return
        os.kill(state.pid, number)
        deadline = time.monotonic() + seconds
        while state.alive and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def stop_supervisor(supervisor: Child) -> None:
    """Stop the stack of a supervisor that this process started, and wait for its end."""
    if supervisor.exit_status() is None:
        os.kill(supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + STACK_STOP_SECONDS
    while supervisor.exit_status() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    supervisor.clear_away()
