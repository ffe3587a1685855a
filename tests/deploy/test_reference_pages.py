"""docs/metrics.md, docs/api.md and docs/openapi.json are what the code says."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from orchestrator.app import build_app
from orchestrator.settings import OrchestratorSettings
from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings

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


def statuses_raised_in(room: Path) -> set[str]:
    """Of every Problem and failure that the sources make with a status of their own."""
    nodes = [node for path in room.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args]
    named = [call for call in calls if getattr(call.func, "id", "") in ("Problem", "TeacherFailure", "PassingFailure")]
    statuses = [getattr(call.args[0], "value", None) for call in named]
    return {str(status) for status in statuses if isinstance(status, int)}


@pytest.mark.parametrize(
    ("room", "app"),
    [
        ("services/orchestrator/orchestrator", build_app(OrchestratorSettings())),
        ("services/teacher-gateway/teacher_gateway", create_app(GatewaySettings())),
    ],
    ids=["orchestrator", "gateway"],
)
def test_every_status_that_a_service_answers_is_in_its_document(room: str, app: FastAPI) -> None:
    operations = [each for item in app.openapi()["paths"].values() for each in item.values()]
    documented = {status for each in operations for status in each["responses"]}
    assert statuses_raised_in(REPOSITORY / room) <= documented
    assert "default" not in documented
