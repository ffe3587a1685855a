"""One process under supervision: starts it, asks whether it is ready, starts it again when it dies."""

import time
from collections.abc import Mapping
from pathlib import Path

from socratic.stack.health import is_ready
from socratic.stack.plan import ProcessPlan
from socratic.stack.process import Child, last_lines, spawn
from socratic.stack.state import ProcessState

# Loading torch takes seconds; on two cores shared by the whole stack and other work it has taken twenty.
READY_SECONDS = 90.0
# The first restart is at once: what was killed is simply wanted back. Later ones wait twice as long each.
FIRST_BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 10.0
# A process that dies this often within the window will not get better by another start.
RESTART_CAP = 6
RESTART_WINDOW_SECONDS = 120.0


class StackFailed(Exception):
    """The stack cannot be brought up or kept up; the message names the process and shows its last words."""


class Watched:
    """A planned process and what became of it. All times are of the monotonic clock."""

    def __init__(self, plan: ProcessPlan, log: Path, environment: Mapping[str, str]) -> None:
        self.plan = plan
        self.log = log
        self.environment = {**environment, **plan.environment}
        self.child: Child | None = None
        self.ready = False
        self.was_ready = False
        self.deadline = 0.0
        self.start_at = 0.0
        self.deaths: list[float] = []
        self.restarts = 0

    def tick(self) -> bool:
        """Do what is due; True when something changed. Raises StackFailed when it is hopeless."""
        now = time.monotonic()
        if self.child is None:
            if now < self.start_at:
                return False
            self.start()
            return True
        status = self.child.exit_status()
        if status is not None:
            self.bury(f"exited with status {status}")
            return True
        if self.ready:
            return False
        if is_ready(self.plan.ready_url):
            self.ready = self.was_ready = True
            return True
        if now > self.deadline:
            self.bury(f"was not ready {READY_SECONDS:.0f} s after its start")
            return True
        return False

    def start(self) -> None:
        self.child = spawn(self.plan.command, self.environment, self.log)
        self.deadline = time.monotonic() + READY_SECONDS

    def bury(self, cause: str) -> None:
        """Clear the process away and plan its restart. One that never came up is not tried again."""
        if self.child is not None:
            self.child.clear_away()
        self.child, self.ready = None, False
        now = time.monotonic()
        self.deaths = [death for death in self.deaths if now - death < RESTART_WINDOW_SECONDS] + [now]
        if not self.was_ready:
            raise StackFailed(f"{self.plan.name} {cause} before it was ready. {last_lines(self.log)}")
        if len(self.deaths) > RESTART_CAP:
            raise StackFailed(f"{self.plan.name} {cause}, again, after {RESTART_CAP} restarts. {last_lines(self.log)}")
        backoff = 0.0 if len(self.deaths) == 1 else FIRST_BACKOFF_SECONDS * 2 ** (len(self.deaths) - 2)
        self.start_at = now + min(backoff, LONGEST_BACKOFF_SECONDS)
        self.restarts += 1

    def state(self) -> ProcessState:
        """What stack.json says about it; pid 0 while it waits for its restart."""
        child = self.child
        return ProcessState(
            name=self.plan.name,
            pid=child.pid if child else 0,
            started=child.started if child else None,
            url=self.plan.url,
            log=self.log,
            ready=self.ready,
            restarts=self.restarts,
        )
