"""Keeps the processes of a stack alive until it is told to stop; nothing it started survives it."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from socratic.stack.plan import REDIS, ProcessPlan
from socratic.stack.process import start_ticks
from socratic.stack.state import StackState, StackStatus, write_state
from socratic.stack.watched import StackFailed, Watched

# A dead process is noticed and a ready one counted within this time.
TICK_SECONDS = 0.1
# The services give requests in flight 5 s to end; the trainer ends between two phases of a step.
STOP_GRACE_SECONDS = 8.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """Runs on the main thread of its own process (see `spawn`). `on_change` sees every new state."""

    def __init__(
        self,
        plans: Sequence[ProcessPlan],
        home: Path,
        student: Path,
        orchestrator_url: str,
        environment: Mapping[str, str],
        on_change: Callable[[StackState], None] = lambda state: None,
        grace_seconds: float = STOP_GRACE_SECONDS,
    ) -> None:
        self.home = home
        self.student = student
        self.orchestrator_url = orchestrator_url
        self.on_change = on_change
        self.grace_seconds = grace_seconds
        self.stop_asked = False
        self.watched = [Watched(plan, home / "logs" / f"{plan.name}.log", environment) for plan in plans]

    def run(self) -> int:
        """Start everything, keep it alive, stop everything. 0 when it was told to stop, 1 when the stack failed."""
        for number in STOP_SIGNALS:
            signal.signal(number, self.ask_to_stop)
        try:
            self.publish("starting")
            self.keep_alive()
        except StackFailed as failure:
            self.stop_all()
            self.publish("failed", str(failure))
            return 1
        self.publish("stopping")
        self.stop_all()
        self.publish("stopped")
        return 0

    def ask_to_stop(self, *_: object) -> None:
        """Called by a signal, so it may take no lock: it could have met the main thread inside it."""
        self.stop_asked = True

    def keep_alive(self) -> None:
        """Tick every process until somebody asks to stop. Raises StackFailed."""
        while not self.stop_asked:
            changed = [watched.tick() for watched in self.watched]
            if any(changed):
                self.publish("ready" if all(watched.was_ready for watched in self.watched) else "starting")
            time.sleep(TICK_SECONDS)

    def stop_all(self) -> None:
        """SIGTERM, and SIGKILL after the grace time; Redis last, since the others write to it while they end."""
        for group in (
            [watched for watched in self.watched if watched.plan.name != REDIS],
            [watched for watched in self.watched if watched.plan.name == REDIS],
        ):
            children = [watched.child for watched in group if watched.child]
            for child in children:
                child.send(signal.SIGTERM)
            deadline = time.monotonic() + self.grace_seconds
            while any(child.exit_status() is None for child in children) and time.monotonic() < deadline:
                time.sleep(TICK_SECONDS)
            for child in children:
                child.clear_away()
            for watched in group:
                watched.child, watched.ready = None, False

    def publish(self, status: StackStatus, reason: str = "") -> None:
        """Write stack.json and tell the observer."""
        state = StackState(
            status=status,
            reason=reason,
            pid=os.getpid(),
            started=start_ticks(os.getpid()),
            student=self.student,
            orchestrator_url=self.orchestrator_url,
            processes=[watched.state() for watched in self.watched],
        )
        write_state(self.home, state)
        self.on_change(state)
