"""From a request to a running stack: directories, lock, ports, plan, supervisor."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import Problem

from socratic.stack.plan import ORCHESTRATOR, StackRequest, plan_stack, process_names
from socratic.stack.ports import draw_ports
from socratic.stack.state import StackState
from socratic.stack.supervisor import Supervisor


def serve_stack(
    request: StackRequest,
    environment: Mapping[str, str],
    on_change: Callable[[StackState], None] = lambda state: None,
) -> int:
    """Supervise the requested stack in this process until SIGTERM; returns the exit status."""
    for directory in (request.home, request.log_directory, request.data_root, request.home / "redis"):
        directory.mkdir(parents=True, exist_ok=True)
    with locked(request.home):
        ports = draw_ports(process_names(request), {ORCHESTRATOR: request.port})
        plans = plan_stack(request, ports)
        os.chdir(request.working_directory)
        url = f"http://127.0.0.1:{ports[ORCHESTRATOR]}"
        return Supervisor(plans, request.home, request.student, url, environment, on_change).run()


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Two supervisors of one directory would share Redis' files. The kernel drops the lock with the process."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(409, "stack_running", f"Another stack runs in {home}. Stop it: socratic down") from None
        yield
