"""The supervisor with real children: small HTTP servers, one of which has a child of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from socratic.stack.control import running_stack, stop_stack
from socratic.stack.ports import draw_ports
from socratic.stack.process import spawn, start_ticks
from socratic.stack.state import StackState, read_state

# Interpreters start in well under a second; a machine under full load may need many.
DEADLINE_SECONDS = 30.0
SERVER = (
    "import http.server, sys;"
    "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
)
# Writes its child's pid into a file; both ignore SIGTERM, as a hanging process does.
STUBBORN_PARENT = (
    "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen(['sleep', '600'], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN));"
    "open(sys.argv[2], 'w').write(str(child.pid));" + SERVER
)
LAME = "import sys; print('no such model'); sys.exit(2)"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Stack:
    """A supervisor process and what its state file says."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *children: tuple[str, ...]) -> None:
        (self.home / "logs").mkdir(parents=True)
        names = [f"child-{number}" for number in range(len(children))]
        ports = draw_ports(names, {})
        plans = [
            {"name": name, "url": f"http://127.0.0.1:{ports[name]}"}
            | {"command": [sys.executable, "-c", code, str(ports[name]), *rest]}
            for name, (code, *rest) in zip(names, children, strict=True)
        ]
        script = Path(__file__).with_name("supervise.py")
        self.process = subprocess.Popen([sys.executable, str(script), str(self.home), json.dumps(plans)])

    def state(self) -> StackState:
        state = read_state(self.home)
        assert state is not None
        return state

    def await_status(self, status: str) -> StackState:
        until(lambda: (self.home / "stack.json").exists() and self.state().status == status)
        return self.state()

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "home")
    yield stack
    if stack.process is not None and stack.process.poll() is None:
        stack.process.kill()
        stack.process.wait()


def gone(pid: int) -> bool:
    return start_ticks(pid) is None


def test_children_come_up_and_sigterm_stops_them_all(stack: Stack) -> None:
    stack.start((SERVER,), (SERVER,))
    state = stack.await_status("ready")
    assert state.alive
    assert all(item.ready and not gone(item.pid) for item in state.processes)
    stop_stack(state)
    assert stack.wait() == 0
    assert all(gone(item.pid) for item in state.processes)
    assert stack.state().status == "stopped"


def test_ctrl_c_stops_them_all(stack: Stack) -> None:
    stack.start((SERVER,))
    state = stack.await_status("ready")
    os.kill(state.pid, signal.SIGINT)
    assert stack.wait() == 0
    assert gone(state.processes[0].pid)


def test_a_killed_child_is_started_again(stack: Stack) -> None:
    stack.start((SERVER,), (SERVER,))
    before = stack.await_status("ready").processes
    os.kill(before[0].pid, signal.SIGKILL)
    until(lambda: stack.state().processes[0].ready and stack.state().processes[0].restarts == 1)
    after = stack.state().processes
    assert after[0].pid != before[0].pid
    assert after[1] == before[1]


def test_a_killed_childs_own_children_go_with_it(stack: Stack, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    stack.start((STUBBORN_PARENT, str(note)))
    state = stack.await_status("ready")
    grandchild = int(note.read_text())
    os.kill(state.processes[0].pid, signal.SIGKILL)
    until(lambda: gone(grandchild))


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(stack: Stack, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    stack.start((STUBBORN_PARENT, str(note)))
    state = stack.await_status("ready")
    os.kill(state.pid, signal.SIGTERM)
    assert stack.wait() == 0
    assert gone(state.processes[0].pid)
    assert gone(int(note.read_text()))


def test_nothing_survives_a_killed_supervisor(stack: Stack) -> None:
    stack.start((SERVER,), (SERVER,))
    state = stack.await_status("ready")
    os.kill(state.pid, signal.SIGKILL)
    stack.wait()
    until(lambda: all(gone(item.pid) for item in state.processes))
    assert not stack.state().alive
    assert running_stack(stack.home) is None


def test_a_child_that_never_comes_up_fails_the_stack_with_its_last_words(stack: Stack) -> None:
    stack.start((SERVER,), (LAME,))
    assert stack.wait() == 1
    state = stack.state()
    assert state.status == "failed"
    assert "child-1 exited with status 2 before it was ready" in state.reason
    assert "no such model" in state.reason
    assert state.waiting_for() == ["child-0", "child-1"]


def test_a_state_file_of_another_process_with_the_same_pid_is_stale(stack: Stack) -> None:
    stack.start((SERVER,))
    state = stack.await_status("ready")
    assert not state.model_copy(update={"started": (state.started or 0) - 1}).alive


def test_a_child_left_alone_on_purpose_survives_its_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import sys; from pathlib import Path; from socratic.stack.process import spawn;"
        "child = spawn(['sleep', '600'], {}, Path(sys.argv[1]).with_suffix('.log'), death_signal=None);"
        "Path(sys.argv[1]).write_text(str(child.pid)); child.process.returncode = 0"
    )
    subprocess.run([sys.executable, "-c", code, str(note)], check=True)
    survivor = int(note.read_text())
    assert not gone(survivor)
    os.kill(survivor, signal.SIGKILL)


def test_what_a_child_prints_is_in_its_log(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", "print('hello')"], {}, tmp_path / "logs" / "child.log")
    until(lambda: child.exit_status() is not None)
    child.clear_away()
    assert child.exit_status() == 0
    assert child.log.read_text() == "hello\n"
