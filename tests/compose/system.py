"""`docker compose` as a user runs it, on free ports and under a project name of its own."""

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path

from socratic.client import Client
from socratic.stack.ports import draw_ports

from ..stacks import REPOSITORY

PROJECT = "socratic-test"
PORTS = ("ORCHESTRATOR_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "GRAFANA_PORT")
# Downloads of a first build: torch's CPU wheel has 190 MB. A command of a built system takes seconds.
BUILD_SECONDS = 1500
HEALTHY_SECONDS = 300
COMMAND_SECONDS = 120
# Debian's build of Alertmanager reads its message templates from files; the official image has them inside.
TEMPLATES = Path(__file__).with_name("alertmanager-templates.yml")
NO_GRAFANA = Path(__file__).with_name("no-grafana.yml")
GRAFANA = "grafana/grafana:11.6.0"


def compose_files() -> str:
    """The value of COMPOSE_FILE: the system, without Grafana where its image cannot be had."""
    left_out = [] if image_available(GRAFANA) else [str(NO_GRAFANA)]
    return ":".join(["docker-compose.yml", str(TEMPLATES), *left_out])


def changes() -> dict[str, str]:
    """What is other than in `.env`: free ports, and torch from where this machine has it."""
    ports = {name: str(port) for name, port in draw_ports(PORTS, {}).items()}
    return ports | {"SOCRATIC_TAG": "test"} | own_torch()


def environment_file(directory: Path) -> Path:
    """What `make env` makes, with our changes."""
    path = directory / "env"
    subprocess.run([REPOSITORY / "tools/env.sh", path], check=True, timeout=COMMAND_SECONDS)
    lines = [line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]
    path.write_text("".join(f"{name}={value}\n" for name, value in (dict(lines) | changes()).items()))
    return path


def own_torch() -> dict[str, str]:
    """No further index where this machine's pip is told of directories of wheels: the CPU build is among them."""
    found = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    return {"TORCH_INDEX_URL": ""} if "find-links" in found.stdout else {}


class ComposeSystem:
    """One project. A command that fails is an AssertionError with what compose said."""

    def __init__(self, repository: Path, environment: Path) -> None:
        self.repository = repository
        self.environment = environment
        values = dict(line.split("=", 1) for line in environment.read_text().splitlines())
        # Only the file counts: a user's own variables would win over it.
        self.variables = {name: value for name, value in os.environ.items() if name not in values}
        self.variables |= {"COMPOSE_PROJECT_NAME": PROJECT, "COMPOSE_FILE": compose_files()}

    def compose(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> str:
        """Output of `docker compose ARGUMENTS`."""
        command = ["docker", "compose", "--env-file", str(self.environment), *arguments]
        done = subprocess.run(
            command,
            cwd=self.repository,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def build(self) -> None:
        self.compose("build", "--quiet", seconds=BUILD_SECONDS)

    def services(self) -> list[str]:
        return self.compose("config", "--services").split()

    def up(self, *options: str) -> None:
        """Start everything and wait until it is healthy."""
        waiting = ["up", "--detach", "--wait", "--wait-timeout", str(HEALTHY_SECONDS)]
        self.compose(*waiting, *options, seconds=HEALTHY_SECONDS + COMMAND_SECONDS)

    def down(self) -> None:
        """Stop everything in order; the volumes stay."""
        self.compose("down", "--remove-orphans")

    def remove(self) -> None:
        """Leave nothing behind but the images' layers."""
        self.compose("down", "--remove-orphans", "--volumes", "--timeout", "5")

    def restart(self, service: str) -> None:
        self.compose("restart", service)

    def python(self, service: str, code: str) -> str:
        """What a line of Python prints inside a running container."""
        return self.compose("exec", "-T", service, "python", "-c", code).strip()

    def containers(self) -> list[dict[str, str]]:
        """What `compose ps` says of each container."""
        return [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]

    def address(self, service: str, port: int) -> str:
        return f"http://{self.compose('port', service, str(port)).strip()}"

    def client(self) -> Client:
        (key,) = re.findall(r"^SERVICE_KEY=(\S+)$", self.environment.read_text(), re.M)
        return Client(self.address("orchestrator", 8000), key)


@cache
def image_available(image: str) -> bool:
    """Here, or to be pulled."""
    for command in (["docker", "image", "inspect", image], ["docker", "pull", "--quiet", image]):
        done = subprocess.run(command, capture_output=True, timeout=BUILD_SECONDS, check=False)
        if done.returncode == 0:
            return True
    return False
