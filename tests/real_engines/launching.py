"""Real engines as the launchers of student-inference start them, and what is left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

# SGLang needs half a minute on a quiet machine and vLLM one; a loaded one has taken four times as long.
START_SECONDS = 480.0
STOP_SECONDS = 60.0
# Inherited by every process that a launcher starts, whatever it calls itself later.
MARK = "LAUNCHED_BY_TEST"


@dataclass
class Launched:
    """A launcher, its engine's address, and the mark in the environment of all its descendants."""

    process: subprocess.Popen[bytes]
    url: str
    mark: str

    def healthy(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", timeout=30, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    def descendants(self) -> list[int]:
        """Running processes of the engine."""
        return [pid for pid in marked(self.mark) if pid != self.process.pid]


@contextmanager
def launch(module: str, port: int, settings: Mapping[str, str], log: Path) -> Iterator[Launched]:
    """`python -m module` until its engine is healthy; at the end it is killed and everything it started with it."""
    mark = f"{MARK}={port}.{os.getpid()}"
    environment = os.environ | dict(settings) | dict([mark.split("=", 1)])
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=output, stderr=output)
    launched = Launched(process, f"http://127.0.0.1:{port}", mark)
    try:
        eventually(launched.healthy, START_SECONDS, log)
        yield launched
    finally:
        process.kill()
        process.wait()
        for pid in launched.descendants():
            os.kill(pid, signal.SIGKILL)


def eventually(true: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.5)


def marked(mark: str) -> list[int]:
    """Processes that hold the mark in their environment; a zombie has none any more."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in variables:
                found.append(int(entry.name))
    return found


def restarts_and_leaves_nothing(launched: Launched, log: Path) -> None:
    """Kill -9 the engine's first process: another serves. Kill -9 the launcher: nothing is left."""
    first = engine_of(launched)
    old = set(launched.descendants())
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not old & set(launched.descendants()), STOP_SECONDS, log)
    eventually(launched.healthy, START_SECONDS, log)
    assert engine_of(launched) != first
    launched.process.kill()
    launched.process.wait()
    eventually(lambda: not launched.descendants(), STOP_SECONDS, log)
    assert not launched.healthy()


def engine_of(launched: Launched) -> int:
    """The child that is the engine: the launcher's other child is the shepherd of the process group."""
    children = Path(f"/proc/{launched.process.pid}/task").glob("*/children")
    pids = [int(pid) for listed in children for pid in listed.read_text().split()]
    [engine] = [pid for pid in pids if b"killpg" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return engine
