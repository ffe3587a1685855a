"""A whole stack with a proxy on every link, a second controller, a clock for each process, and disks that can fill."""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import redis
from contracts import keys
from socratic.runs import own_stack
from socratic.stack.plan import GATEWAY, ORCHESTRATOR, REDIS, STUDENT, TRAINER, TUTOR, StackRequest, worker_names
from socratic.stack.process import Child, spawn, start_ticks
from socratic.stack.state import ProcessState, read_state

from ..stacks import environment_of, materials_stack
from .proxy import Proxy
from .teacher import Teacher

SECOND_ORCHESTRATOR = "second-orchestrator"
LEADER = "controller leader"
WORKER = "rollout-worker-1"
# Holds the policies and checkpoints of a whole run (768 MB were full after 160 faults), and is filled in seconds.
DISK_MEGABYTES = 2048
# Holds the append-only file twice over, as Redis rewrites it.
REDIS_MEGABYTES = 512
# Every pair of processes that talk: who calls, the setting that names the address, and whom.
USER = "user"
LINKS = {
    "orchestrator-redis": (ORCHESTRATOR, "ORCHESTRATOR_REDIS_URL", REDIS),
    "orchestrator-gateway": (ORCHESTRATOR, "ORCHESTRATOR_GATEWAY_URL", GATEWAY),
    "orchestrator-engine": (ORCHESTRATOR, "ORCHESTRATOR_STUDENT_URLS", STUDENT),
    "worker-redis": (WORKER, "ORCHESTRATOR_REDIS_URL", REDIS),
    "worker-engine": (WORKER, "ORCHESTRATOR_STUDENT_URLS", STUDENT),
    "worker-gateway": (WORKER, "ORCHESTRATOR_GATEWAY_URL", GATEWAY),
    "trainer-redis": (TRAINER, "TRAINER_REDIS_URL", REDIS),
    "trainer-engine": (TRAINER, "TRAINER_STUDENT_URLS", STUDENT),
    "trainer-gateway": (TRAINER, "TRAINER_GATEWAY_URL", GATEWAY),
    "gateway-redis": (GATEWAY, "TEACHER_GATEWAY_REDIS_URL", REDIS),
    "gateway-engine": (GATEWAY, "TEACHER_GATEWAY_STUDENT_URL", STUDENT),
    "gateway-teacher": (GATEWAY, "TEACHER_GATEWAY_TUTOR_URL", TUTOR),
    "user-orchestrator": (USER, "", ORCHESTRATOR),
}
CLOCKS = (REDIS, ORCHESTRATOR, WORKER, GATEWAY, TRAINER)


class System:
    """What faults are injected into."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.teacher = Teacher(partial(self.url, TUTOR))
        self.links = {name: Proxy(self.target_of(callee)) for name, (_, _, callee) in LINKS.items()}
        self.second: Child | None = None
        self.has_disk = False
        self.has_clocks = build_clock(home)

    def target_of(self, callee: str) -> "partial[str]":
        return partial(self.teacher_url) if callee == TUTOR else partial(self.url, callee)

    def teacher_url(self) -> str:
        return self.teacher.url

    def address(self, link: str) -> str:
        """Where the caller of this link finds whom it calls."""
        scheme, path = ("redis", "/0") if LINKS[link][2] == REDIS else ("http", "")
        return f"{scheme}://127.0.0.1:{self.links[link].port}{path}"

    def process(self, name: str) -> ProcessState:
        """As the supervisor last told of it."""
        state = read_state(self.home)
        assert state is not None, "no stack"
        assert state.status != "failed", state.reason
        return next(item for item in state.processes if item.name == name)

    def url(self, name: str) -> str:
        return self.process(name).url

    def pid(self, name: str) -> int | None:
        """None while it is not running."""
        if name == LEADER:
            name = self.leader() or ORCHESTRATOR
        if name == SECOND_ORCHESTRATOR:
            return self.second.pid if self.second is not None and self.second.exit_status() is None else None
        found = self.process(name)
        return found.pid if found.pid and start_ticks(found.pid) == found.started else None

    def leader(self) -> str | None:
        """Which of the two orchestrators holds the controllers' lease; None while neither does."""
        with self.redis() as store:
            owner = (store.get(keys.lease("controller")) or b"").decode()
        named = [name for name in (ORCHESTRATOR, SECOND_ORCHESTRATOR) if f"-{self.pid(name)}-" in owner]
        return named[0] if named else None

    def all_ready(self) -> bool:
        """Every process of the stack can take work, and there are two orchestrators."""
        state = read_state(self.home)
        assert state is not None
        assert state.status != "failed", state.reason
        return not state.waiting_for() and all(self.pid(item.name) for item in state.processes)

    def keep_second(self) -> None:
        """Start the second orchestrator where it does not run: the same settings, a port of its own."""
        first = self.pid(ORCHESTRATOR)
        if self.pid(SECOND_ORCHESTRATOR) is None and first is not None:
            if self.second is not None:
                self.second.clear_away()
            environment = environment_of(first)
            if not environment:  # the first one ended this moment: the next look finds another
                return
            command = [sys.executable, "-P", "-m", "orchestrator"]
            self.second = spawn(
                command, environment | {"ORCHESTRATOR_PORT": "0"}, self.home / "logs" / f"{SECOND_ORCHESTRATOR}.log"
            )

    def redis(self) -> "redis.Redis":
        """A client of our own, past every proxy."""
        return redis.Redis.from_url(self.url(REDIS), socket_timeout=2.0, socket_connect_timeout=2.0)

    def set_clock(self, name: str, seconds: int) -> None:
        """The process' wall clock shows this much more than the true time."""
        (self.home / "clocks" / name).write_text(f"{seconds:+d}\n")

    def close(self) -> None:
        if self.second is not None:
            self.second.clear_away()
        for proxy in self.links.values():
            proxy.close()
        self.teacher.close()


@contextmanager
def faulty_system(home: Path) -> Iterator[System]:
    """Nothing of it outlives the block."""
    with ExitStack() as stack:
        system = System(home)
        stack.callback(system.close)
        system.has_disk = stack.enter_context(small_disk(home / "data", DISK_MEGABYTES))
        stack.enter_context(small_disk(home / "redis", REDIS_MEGABYTES))
        stack.enter_context(own_stack(request_of(system), dict(os.environ), lambda state: None))
        system.keep_second()
        yield system


def request_of(system: System) -> StackRequest:
    """Every link goes through its proxy, every process reads its own clock."""
    request = materials_stack(system.home).model_copy(update={"workers": 2})
    settings: dict[str, dict[str, str]] = {}
    for name, (caller, setting, _) in LINKS.items():
        if caller == USER:
            continue
        address = system.address(name)
        value = f'["{address}"]' if setting.endswith("_URLS") else address
        for each in worker_names(request) if caller == WORKER else [caller]:
            settings.setdefault(each, {})[setting] = value
    (system.home / "clocks").mkdir()
    for name in CLOCKS:
        system.set_clock(name, 0)
        settings.setdefault(name, {}).update(clock_settings(system, name))
    executable = redis_wrapper(system, request.redis_executable, settings.pop(REDIS))
    return request.model_copy(update={"settings": settings, "redis_executable": str(executable)})


def build_clock(home: Path) -> bool:
    """Compile the settable clock; False where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return False
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(home / "clock.so"), str(source)], check=True)
    return True


def clock_settings(system: System, name: str) -> Mapping[str, str]:
    """Environment of a process whose clock can be set."""
    if not system.has_clocks:
        return {}
    return {"LD_PRELOAD": str(system.home / "clock.so"), "CLOCK_OFFSET_FILE": str(system.home / "clocks" / name)}


def redis_wrapper(system: System, executable: str, settings: Mapping[str, str]) -> Path:
    """A redis-server that first loses its last record where a file `cut` asks for it."""
    wrapper, cut = system.home / "redis-server", system.home / "cut"
    cutter = Path(__file__).with_name("append_only_file.py")
    assignments = " ".join(f"{name}='{value}'" for name, value in settings.items())
    wrapper.write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        if [ -e '{cut}' ]; then '{sys.executable}' '{cutter}' '{system.home / "redis"}' && rm '{cut}'; fi
        exec env {assignments} '{executable}' "$@"
        """)
    )
    wrapper.chmod(0o755)
    return wrapper


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[bool]:
    """A file system of its own, so that it can be filled; False where this machine does not let us mount one."""
    path.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
    if mount is None or subprocess.run([mount, *options], capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
