"""docs/metrics.md is what the code says."""

import subprocess
import sys

from ..stacks import REPOSITORY

COMMAND_SECONDS = 90


def test_the_page_is_made_from_the_code() -> None:
    command = [sys.executable, "tools/metrics_reference.py", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == 0, f"run `python tools/metrics_reference.py`\n{done.stderr}"
