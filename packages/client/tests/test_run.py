"""`socratic run` interrupted while its stack comes up: whatever happens, no process is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from socratic.commands.errors import exit_status
from socratic.runs import failed
from socratic.stack.process import start_ticks
from socratic.stack.state import StackState, read_state

ROOT = Path(__file__).parents[3]
# The processes are spawned within a second and need no more to end; a machine under full load may need many.
DEADLINE_SECONDS = 60.0
Running = tuple["subprocess.Popen[bytes]", StackState]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A `socratic run` of which every process was started, and what its stack.json said then."""
    command = [sys.executable, "-m", "socratic.cli", "run", "examples/materials.yaml"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "SOCRATIC_HOME": str(tmp_path)})
    yield process, await_spawned(tmp_path)
    if process.poll() is None:
        process.kill()
        process.wait()


def await_spawned(home: Path) -> StackState:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        for directory in home.glob("runs/*"):
            state = read_state(directory)
            if state is not None and all(item.pid for item in state.processes):
                return state
        assert time.monotonic() < deadline
        time.sleep(0.02)


def all_gone(state: StackState) -> bool:
    return all(start_ticks(pid) is None for pid in (state.pid, *(item.pid for item in state.processes)))


@pytest.mark.parametrize(("number", "exit_status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_stops_its_stack_first(running: Running, number: signal.Signals, exit_status: int) -> None:
    process, state = running
    process.send_signal(number)
    assert process.wait(DEADLINE_SECONDS) == exit_status
    assert all_gone(state)


def test_a_killed_run_leaves_nothing_behind(running: Running) -> None:
    process, state = running
    process.kill()
    process.wait()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not all_gone(state):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_failed_job_is_told_with_its_reason_and_the_logs(make_job) -> None:
    problem = failed(make_job(status="failed", error={"detail": "no trainer is alive"}), Path("/home/logs"))
    assert problem.detail == "job-1 failed: no trainer is alive. Logs: /home/logs"
    assert exit_status(problem) == 1


def test_a_service_that_does_not_start_fails_the_run_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "socratic.cli", "run", "examples/materials.yaml"]
    environment = {**os.environ, "SOCRATIC_HOME": str(tmp_path), "TUTOR_LOG_FORMAT": "neither"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert ended.returncode == 1
    assert "tutor exited with status 2 before it was ready" in ended.stderr
    assert "tutor.log" in ended.stderr
    assert "| tutor: TUTOR_LOG_FORMAT" in ended.stderr
    state = read_state(next((tmp_path / "runs").iterdir()))
    assert state is not None
    assert not state.alive
