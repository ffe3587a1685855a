"""The blocks of docs/api.md do what they say, and no operation is left out of them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..stacks import REPOSITORY
from .system import System

PAGE = (REPOSITORY / "docs/api.md").read_text()
MARK = "<!-- executed by tests/api/test_docs.py -->\n```bash\n"
# Two steps of training, and the first one of a longer job, on a machine that may be busy.
BLOCKS_SECONDS = 240
pytestmark = pytest.mark.timeout(BLOCKS_SECONDS + 120)


def blocks() -> list[str]:
    """In order."""
    return [part.split("```", 1)[0] for part in PAGE.split(MARK)[1:]]


def run(script: str, url: str, directory: Path) -> str:
    """What the script printed; it stops at the first command that fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "URL": url},
        capture_output=True,
        text=True,
        timeout=BLOCKS_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return done.stdout


def test_the_blocks_run_as_written(system: System, tmp_path: Path) -> None:
    printed = run("\n".join(blocks()), system.open_url, tmp_path)
    answers = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    told = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    assert answers[-1] | {"request_id": "..."} == told
    assert {answer.get("object") for answer in answers} >= {
        "list",
        "episode",
        "job.validation",
        "job",
        "step",
        "metrics",
    }
    events = (tmp_path / "events.txt").read_text().split("\n\n")
    assert '"status":"succeeded"' in events[-2]


def test_every_operation_has_an_example() -> None:
    asked = set(re.findall(r"\$URL(/v1/[^\s\"?']*)", "\n".join(blocks())))
    document: dict[str, Any] = json.loads((REPOSITORY / "docs/openapi.json").read_text())
    patterns = {path: re.sub(r"\{\w+\}", r"[^/]+", path) for path in document["paths"] if path.startswith("/v1/")}
    assert [path for path, pattern in patterns.items() if not any(re.fullmatch(pattern, each) for each in asked)] == []
