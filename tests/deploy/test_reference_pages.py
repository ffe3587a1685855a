"""docs/metrics.md and docs/api.md are what the code says."""

import subprocess
import sys

import pytest

from ..stacks import REPOSITORY

COMMAND_SECONDS = 90


@pytest.mark.parametrize("tool", ["tools/metrics_reference.py", "tools/api_reference.py"])
def test_the_page_is_made_from_the_code(tool: str) -> None:
    command = [sys.executable, tool, "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == 0, f"run `python {tool}`\n{done.stderr}"
