"""The blocks of docs/install.md do what they say, in a copy of the repository: they write .env."""

import os
import subprocess
from pathlib import Path

import pytest

from ..stacks import REPOSITORY
from .system import BUILD_SECONDS, COMMAND_SECONDS, HEALTHY_SECONDS, changes, compose_files

pytestmark = [pytest.mark.compose, pytest.mark.timeout(BUILD_SECONDS + 3 * HEALTHY_SECONDS)]
MARK = "<!-- executed by tests/compose -->\n```bash\n"
README_MARK = "executed by tests/compose -->\n```bash\n"
PROJECT = "socratic-install"


def marked_blocks(page: str) -> list[str]:
    """In order."""
    return [part.split("```", 1)[0] for part in (REPOSITORY / page).read_text().split(MARK)[1:]]


def readme_block() -> str:
    """What README shows of the page."""
    return (REPOSITORY / "README.md").read_text().split(README_MARK, 1)[1].split("```", 1)[0]


def copy_of_repository(target: Path) -> None:
    """Tracked files and those that git would track."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, timeout=COMMAND_SECONDS, check=True).stdout
    copy = ["tar", "--null", "--files-from=-", "--create", "--ignore-failed-read", "--file=-"]
    packed = subprocess.run(copy, cwd=REPOSITORY, input=names, capture_output=True, timeout=COMMAND_SECONDS, check=True)
    subprocess.run(["tar", "-x"], cwd=target, input=packed.stdout, timeout=COMMAND_SECONDS, check=True)


def test_the_blocks_run_as_written(tmp_path: Path) -> None:
    copy_of_repository(tmp_path)
    environment = {**os.environ, **changes(), "COMPOSE_PROJECT_NAME": PROJECT, "COMPOSE_FILE": compose_files()}
    first, job = marked_blocks("docs/install.md")
    assert readme_block() in first
    cleaning = "trap 'docker compose down --volumes --timeout 5' EXIT"
    done = subprocess.run(
        ["bash", "-c", f"set -eu\n{cleaning}\n{first}\n{job}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS + 2 * HEALTHY_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / ".env").is_file()
    assert '"name":"in-containers"' in done.stdout
    assert '"object":"list"' in done.stdout
