"""docker-compose.yml, .env.example and the Dockerfile agree with each other and with the rooms. Needs no Docker."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..stacks import REPOSITORY

COMMAND_SECONDS = 60
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "socratic/" in service["image"]}
# A shell's own variables ($$NAME in the file) are not settings.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)")


def example_variables() -> dict[str, str]:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_variable_of_the_compose_file_is_in_the_example_and_no_other() -> None:
    used = set(VARIABLE.findall((REPOSITORY / "docker-compose.yml").read_text()))
    assert set(example_variables()) == used | {"COMPOSE_PROFILES"}


def test_every_variable_is_explained() -> None:
    """By a comment above it, or above the variables that it stands with."""
    explained = False
    for line in (REPOSITORY / ".env.example").read_text().splitlines():
        if line.startswith("#"):
            explained = not line.startswith("# ---")
        elif line:
            assert explained, line


def test_the_defaults_of_the_compose_file_are_those_of_the_example() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    defaults = dict(re.findall(r"\$\{(\w+):?-([^}]*)\}", text))
    example = example_variables()
    assert {name: example[name] for name in defaults} == defaults


def test_the_environment_is_made_once_with_secrets_of_its_own(tmp_path: Path) -> None:
    made = tmp_path / "env"
    for _ in range(2):
        subprocess.run([REPOSITORY / "tools/env.sh", made], check=True, timeout=COMMAND_SECONDS)
        first = made.read_text()
    assert made.read_text() == first
    assert made.stat().st_mode & 0o077 == 0
    section = first.split("# --- Secrets", 1)[1].split("# ---", 1)[0]
    secrets = re.findall(r"^[A-Z_]+=(.*)$", section, re.M)
    assert len(secrets) >= 3
    assert len(set(secrets)) == len(secrets)
    assert all(len(secret) >= 32 for secret in secrets)
    assert "\nOPENAI_API_KEY=\n" in first


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_is_checked_bounded_and_restarted(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    resources = service["deploy"]["resources"]
    assert "memory" in resources.get("limits", {}) or resources["reservations"]["devices"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_may_do_nothing_beyond_their_work(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service, "the image's own user, which is not root"


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_ports_are_open_at_the_bind_address_only(name: str) -> None:
    for port in COMPOSE["services"][name].get("ports", []):
        assert port.startswith("${BIND_ADDRESS:-127.0.0.1}:"), port


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_what_a_service_needs_is_healthy_before_it_starts(name: str) -> None:
    for needed in COMPOSE["services"][name].get("depends_on", {}).values():
        assert needed["condition"] == "service_healthy"


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("deploy/**/Dockerfile*")), ids=lambda path: path.name)
def test_dockerfiles_pass_hadolint(path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, path], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == 0, done.stdout


def test_dockerfiles_build_on_engines_without_a_frontend_of_their_own() -> None:
    """Neither a `# syntax=` line nor a heredoc: engine 20.10 knows neither without a download."""
    for path in REPOSITORY.glob("deploy/**/Dockerfile*"):
        assert not re.search(r"^# *syntax=|<<-?\w", path.read_text(), re.M), path


def test_an_image_has_a_room_and_every_room_that_it_uses() -> None:
    command = [sys.executable, REPOSITORY / "deploy/docker/requirements.py", "--rooms", "trainer"]
    rooms = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True
    ).stdout.split()
    assert rooms == ["socratic-contracts", "socratic-rewards", "socratic-servicekit", "socratic-trainer"]
