"""Servers that a benchmark starts: each runs as a user would start it."""

import os
import socket
import subprocess
import time

# Loading torch takes seconds; on a busy machine it has taken twenty.
START_SECONDS = 60.0


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
