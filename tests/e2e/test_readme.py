"""The README's command blocks do what they say."""

import json
import subprocess
from typing import Any

import pytest

from ..stacks import REPOSITORY

MARK = "<!-- executed by tests/e2e/test_readme.py -->\n```bash\n"
BLOCKS_SECONDS = 240


def executed_blocks() -> list[str]:
    """The marked blocks, in order."""
    text = (REPOSITORY / "README.md").read_text()
    return [part.split("```", 1)[0] for part in text.split(MARK)[1:]]


def parsed(output: str) -> list[dict[str, Any]]:
    """The JSON documents in the output; curl puts no newline behind them."""
    decoder, found, position = json.JSONDecoder(), [], output.find('{"')
    while position >= 0:
        document, end = decoder.raw_decode(output, position)
        found.append(document)
        position = output.find('{"', end)
    return found


@pytest.mark.slow
@pytest.mark.timeout(BLOCKS_SECONDS + 60)
def test_readme_blocks_run_as_written(command_environment: dict[str, str]) -> None:
    script = "set -eu\ntrap 'socratic down' EXIT\n" + "\n".join(executed_blocks())
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=REPOSITORY,
        env=command_environment,
        capture_output=True,
        text=True,
        timeout=BLOCKS_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = parsed(done.stdout)
    assert [item["name"] for item in answers[0]["data"]] == [
        "materials",
        "recipes",
        "sciknoweval",
        "multiple_choice",
        "numeric",
    ]
    assert (answers[1]["object"], answers[1]["name"]) == ("job", "my-first-job")
    assert {job["name"] for job in answers[2]["data"]} == {"my-first-job", "materials"}
