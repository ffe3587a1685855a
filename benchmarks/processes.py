"""Servers that a benchmark starts: each runs as a user would start it."""

import os
import socket
import subprocess
import time
import urllib.request

# Loading torch takes seconds; on a busy machine it has taken twenty.
START_SECONDS = 60.0
# vLLM compiles at its first start; SGLang needs half a minute. Both took four times as long on a loaded machine.
ENGINE_START_SECONDS = 400.0
STOP_SECONDS = 30.0
# SGLang's health check generates a token.
HEALTH_SECONDS = 25.0


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(command: list[str], port: int, **environment: str) -> subprocess.Popen[bytes]:
    """A server process; returns when it accepts connections. Raises OSError when it ends or is late."""
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Servers:
    """Engine processes that end with the block. All start at once; `wait` returns when each is healthy."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, command: list[str], port: int, environment: dict[str, str]) -> None:
        silent = subprocess.DEVNULL
        self._processes[port] = subprocess.Popen(command, env=os.environ | environment, stdout=silent, stderr=silent)

    def wait(self) -> None:
        """Raises RuntimeError when one ends or is late."""
        deadline = time.monotonic() + ENGINE_START_SECONDS
        for port, process in self._processes.items():
            while not healthy(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no healthy engine: {process.args!r}")
                time.sleep(0.5)

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *raised: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=HEALTH_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
