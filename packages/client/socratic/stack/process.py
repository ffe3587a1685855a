"""A child process that cannot outlive its parent: own session, log file, parent-death signal."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# How long a killed process may take to be gone; the kernel needs milliseconds unless the disk hangs.
KILL_SECONDS = 10.0
LOG_LINES = 8


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (proc(5), field 22); None when it is gone or a zombie.

    Together with the pid it names a process for ever, as pids are used again.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    death_signal: signal.Signals | None = signal.SIGKILL,
    request: str | None = None,
) -> "Child":
    """Start a command whose output is appended to `log`; `request` is written to its standard input.

    The kernel sends `death_signal` when this process ends, however it ends; with None the child lives on. Call it on
    the main thread: the signal belongs to the thread that forks.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        if death_signal is not None:
            libc.prctl(PR_SET_PDEATHSIG, death_signal)
            # The parent may have died before the call above.
            if os.getppid() != parent:
                os._exit(1)

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if request is None else subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    if process.stdin is not None:
        process.stdin.write((request or "").encode())
        process.stdin.close()
    return Child(process, log)


def last_lines(log: Path) -> str:
    """Where a log is and how it ends, to be shown after an error."""
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    return f"Log: {log}" + "".join(f"\n  | {line}" for line in lines)


class Child:
    """A running child. Its process group has its own pid, so that a signal reaches its children too."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log
        self.pid = process.pid
        self.started = start_ticks(process.pid)

    def exit_status(self) -> int | None:
        """None while it runs. Leaves the zombie: it keeps the group's number from being used again."""
        if self.process.returncode is not None:
            return self.process.returncode
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group, unless it was already cleared away."""
        if self.process.returncode is None:
            os.killpg(self.pid, number)

    def clear_away(self) -> None:
        """Kill what is left of the group and reap the child."""
        self.send(signal.SIGKILL)
        self.process.wait(KILL_SECONDS)
