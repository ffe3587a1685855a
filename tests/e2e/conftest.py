"""What end-to-end tests share."""

import os
from pathlib import Path

import pytest

from ..stacks import REPOSITORY


@pytest.fixture
def command_environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user's shell: the virtual environment on the path, state in a directory of the test."""
    path = f"{REPOSITORY / '.venv/bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SOCRATIC_HOME": str(tmp_path / "home")}
