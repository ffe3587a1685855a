"""The study's machinery through the whole stack: interrupted, resumed, finished, reported. Says nothing of methods."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from socratic.stack.process import start_ticks

from ..stacks import REPOSITORY

# Eight cells of a second or two each and three starts of a stack; a busy machine takes a multiple.
STUDY_SECONDS = 420
LAST_LINE = re.compile(r"study: (\d+) cells run, 0 failed, (\d+) left, \d+ s")


class Command:
    """`socratic study` on a directory of results."""

    def __init__(self, results: Path, environment: dict[str, str]) -> None:
        self.results = results
        self.environment = environment

    def start(self, action: str, *options: str) -> "subprocess.Popen[str]":
        command = ["socratic", "study", action, "ci", "--results", str(self.results), *options]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=REPOSITORY, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, action: str, *options: str) -> str:
        process = self.start(action, *options)
        said, complaints = process.communicate(timeout=STUDY_SECONDS)
        assert process.returncode == 0, said + complaints
        return said

    def lines(self) -> list[dict[str, Any]]:
        """Every result, in the order of the files."""
        files = sorted(self.results.glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture
def study(tmp_path: Path, command_environment: dict[str, str]) -> Command:
    return Command(tmp_path / "results", command_environment)


def counts(said: str) -> tuple[int, int]:
    """(cells run, cells left) of the last line."""
    found = LAST_LINE.fullmatch(said.splitlines()[-1])
    assert found, said
    return int(found[1]), int(found[2])


def descendants(pid: int) -> set[int]:
    """Processes below this one that still run."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {pid}


@pytest.mark.timeout(2 * STUDY_SECONDS)
def test_a_study_is_interrupted_resumed_finished_and_reported(study: Command, tmp_path: Path) -> None:
    interrupted = study.start("run")
    deadline = time.monotonic() + STUDY_SECONDS
    while not study.lines() and time.monotonic() < deadline:
        time.sleep(0.1)
    stack = descendants(interrupted.pid)
    interrupted.send_signal(signal.SIGTERM)
    interrupted.communicate(timeout=STUDY_SECONDS)
    assert interrupted.returncode == 128 + signal.SIGTERM
    assert len(stack) > 5
    assert [pid for pid in stack if start_ticks(pid) is not None] == []
    before = study.lines()
    assert 1 <= len(before) < 7

    ran, left = counts(study.run("run", "--parallel", "2"))
    # One of the seven is the same work as another and is not run.
    assert (ran, left) == (6 - len(before), 0)
    results = study.lines()
    assert results[-1]["experiment"] != "absent"
    assert [line for line in results if line in before] == before
    assert sorted(line["cell"] for line in results) == [
        "main/grpo/base-0/seed-0",
        "main/grpo/base-0/seed-1",
        "main/socratic_po/base-0/seed-0",
        "main/socratic_po/base-0/seed-1",
        "same/paper/base-0/seed-0",
        "search/socratic_po@0.0001/base-0/seed-1000",
        "search/socratic_po@0.0002/base-0/seed-1000",
    ]
    check_results(results)
    chosen = json.loads((study.results / "learning_rates.json").read_text())["chosen"]["search"]["socratic_po"]
    assert {line["job"]["training"]["learning_rate"] for line in results if line["experiment"] == "main"} == {chosen}

    assert counts(study.run("run")) == (0, 0)
    assert study.lines() == results
    page = tmp_path / "study.md"
    study.run("report", "--out", str(page))
    text = page.read_text()
    assert "4 of 4 cells" in text
    assert "GRPO" in text


def check_results(results: list[dict[str, Any]]) -> None:
    """Every result holds what the report reads, of every step and evaluation."""
    for line in results:
        assert line["status"] == "succeeded", line["reason"]
        assert [point["step"] for point in line["evaluations"]] == [0, 1, 2]
        assert [point["prompts"] for point in line["evaluations"]] == [0, 4, 8]
        tokens = [0, *(point["student_tokens"] for point in line["steps"])]
        assert [point["student_tokens"] for point in line["evaluations"]] == tokens
        assert tokens[0] < tokens[1] < tokens[2]
        for point, outcomes in zip(line["steps"], line["outcomes"], strict=True):
            assert len(outcomes) == 16
            assert (outcomes.count("1"), outcomes.count("2")) == (point["solved_first"], point["solved_guided"])
    (same,) = [line for line in results if line["experiment"] == "same"]
    assert same["same_as"] == "main/socratic_po/base-0/seed-0"
