"""docs/metrics.md, docs/api.md and docs/openapi.json are what the code says."""

import json
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


def test_the_openapi_document_names_each_operation_once_and_its_errors_as_problems() -> None:
    document = json.loads((REPOSITORY / "docs/openapi.json").read_text())
    operations = [(path, each) for path, item in document["paths"].items() for each in item.values()]
    names = [each["operationId"] for _, each in operations]
    assert len(names) == len(set(names))
    assert "create_job" in names
    assert all(each["tags"] for _, each in operations)
    for path, each in operations:
        errors = [reply for status, reply in each["responses"].items() if not status.startswith("2")]
        assert all(list(reply["content"]) == ["application/problem+json"] for reply in errors), path
        assert errors or not path.startswith("/v1/"), path
