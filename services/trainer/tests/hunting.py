"""Kills the real trainer in a chosen phase: its process name says the phase, also while the process is stopped."""

import os
import random
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from trainer.stopwatch import process_name

from .rig import WAIT_SECONDS

# What the issue names: reading, forward, optimizer, checkpoint write, publish, acknowledge; and the backward pass.
PHASES = ("wait", "forward", "backward", "optimizer", "checkpoint", "acknowledge", "publish")
# Any moment of a process's life, its start and its replay included.
ANYWHERE = "anywhere"
LONGEST_LIFE_SECONDS = 0.6


def kill_in(process: ForkServerProcess, phase: str, rng: random.Random) -> None:
    """SIGKILL in the phase, at one of its occurrences drawn by `rng`. Fails when the trainer never comes to it."""
    assert process.pid is not None
    if phase == ANYWHERE:
        time.sleep(rng.uniform(0, LONGEST_LIFE_SECONDS))
    else:
        for _ in range(rng.randint(1, 3)):
            os.kill(process.pid, signal.SIGCONT)
            stop_in(process.pid, phase)
    os.kill(process.pid, signal.SIGKILL)
    process.join(WAIT_SECONDS)
    assert process.exitcode == -signal.SIGKILL


def stop_in(pid: int, phase: str) -> None:
    """SIGSTOP in the phase; when it was over before the signal came, let it run and try the next."""
    deadline, wanted = time.monotonic() + WAIT_SECONDS, process_name(phase)
    while time.monotonic() < deadline:
        if name_of(pid) != wanted:
            continue
        os.kill(pid, signal.SIGSTOP)
        while not is_stopped(pid):
            assert time.monotonic() < deadline
        if name_of(pid) == wanted:
            return
        os.kill(pid, signal.SIGCONT)
    raise AssertionError(f"the trainer never was in {phase}, but in {name_of(pid)}")


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
