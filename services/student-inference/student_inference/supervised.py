"""A child process with all its descendants in one process group, which does not outlive its parent."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from types import TracebackType

# An engine that got SIGTERM frees its GPU within seconds; after this it is killed.
STOP_SECONDS = 15.0
# Reads until its parent is gone (whatever ended that, kill -9 included), then kills its group and with it itself. The
# kernel's parent-death signal would reach the first process only, not those that it has started.
SHEPHERD = "import os, signal, sys; sys.stdin.buffer.read(); os.killpg(0, signal.SIGKILL)"


class Supervised:
    """Starts on creation, and is gone with every descendant at the end of the `with` block."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._started = time.monotonic()
        self._shepherd = subprocess.Popen([sys.executable, "-c", SHEPHERD], stdin=subprocess.PIPE, process_group=0)
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, process_group=self._shepherd.pid, stdin=subprocess.DEVNULL
        )
        self.pid = self._process.pid

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def __enter__(self) -> "Supervised":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        # The end of its input lets the shepherd kill whatever is left of the group.
        assert self._shepherd.stdin is not None
        self._shepherd.stdin.close()
        self._shepherd.wait(STOP_SECONDS)
        self._process.wait(STOP_SECONDS)


def healthy(url: str, seconds: float) -> bool:
    """Whether GET /health answers 200 in time."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=seconds) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
