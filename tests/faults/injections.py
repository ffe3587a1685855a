"""The faults: each is a context manager that does harm, holds it, and takes it away."""

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contracts import keys, scripts
from contracts.errors import Problem
from contracts.manifests import chunk_count, decode_manifest
from contracts.statuses import JobStatus
from contracts.trials import EpisodeRequest
from orchestrator.rollout.dispatch import ChunkSender
from socratic.client import Client
from socratic.stack.plan import GATEWAY, ORCHESTRATOR, REDIS, STUDENT, TRAINER

from .proxy import Mode
from .system import CLOCKS, LEADER, LINKS, SECOND_ORCHESTRATOR, WORKER, System
from .teacher import Manner

HOUR = 3600
POLL_SECONDS = 0.05
# A trainer that cannot write notices within a checkpoint's time.
PAUSE_SECONDS = 60.0
STOPPED_SECONDS = 4.0  # beyond the controller's lease of 3 s
STOPPED_WORKER_SECONDS = 7.0  # beyond a chunk's lease of 6 s
TAKE_OVER_SECONDS = 20.0
FILL_BYTES = 2**20
STRUCK_SECONDS = 30.0  # the quietest link is used once a step
ASKED_LINKS = ("orchestrator-gateway", "orchestrator-engine")
TRIAL_SECONDS = 10.0
UNAVAILABLE = 503
# Before the trial: two neighbours of 5 s each, and a tokenizer that a busy machine loads in seconds.
ASKING_SECONDS = 20.0
TRIAL = EpisodeRequest.model_validate(
    {
        "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
        "teacher": {"provider": "tutor"},
        "timeout_seconds": TRIAL_SECONDS,
        "max_answer_tokens": 32,
    }
)


@dataclass(frozen=True)
class Target:
    """Where a fault strikes: the system, and the job that runs on it."""

    system: System
    client: Client
    job_id: str

    def ask(self) -> bool:
        """One episode by hand, over every link of the orchestrator: whether it was made. Asserts its deadlines."""
        began = time.monotonic()
        try:
            made = self.client.try_episode(TRIAL)["failure"] is None
        except Problem as problem:
            if problem.status != UNAVAILABLE:
                raise
            made = False
        assert time.monotonic() - began < TRIAL_SECONDS + ASKING_SECONDS
        return made


Inject = Callable[[Target], AbstractContextManager[None]]


@contextmanager
def killed(target: Target, names: tuple[str, ...], number: signal.Signals) -> Iterator[None]:
    """A signal that ends the processes; the supervisor starts them again."""
    for name in names:
        signal_to(target.system, name, number)
    yield


@contextmanager
def stopped(target: Target, name: str) -> Iterator[None]:
    """SIGSTOP, later SIGCONT: a process that is alive and does nothing."""
    pid = signal_to(target.system, name, signal.SIGSTOP)
    try:
        time.sleep(STOPPED_WORKER_SECONDS if name == WORKER else STOPPED_SECONDS)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def two_leaders(target: Target) -> Iterator[None]:
    """The leader is stopped until the other one leads, and goes on in the middle of its tick, in the belief to lead."""
    led = target.system.leader()
    pid = signal_to(target.system, LEADER, signal.SIGSTOP)
    try:
        until(lambda: target.system.leader() not in (None, led), STOPPED_SECONDS + TAKE_OVER_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
    yield


def signal_to(system: System, name: str, number: signal.Signals) -> int:
    """Returns the process id."""
    pid = system.pid(name)
    assert pid is not None, f"{name} does not run"
    os.kill(pid, number)
    return pid


@contextmanager
def link(target: Target, name: str, mode: Mode) -> Iterator[None]:
    """The network between two processes, until something was on its way there.

    What only a user's question sends over it, a user asks meanwhile, and asks again when told to come back (503).
    """
    proxy = target.system.links[name]
    struck = proxy.struck[mode]

    def has_struck() -> bool:
        if name in ASKED_LINKS and proxy.struck[mode] == struck:
            target.ask()
        return proxy.struck[mode] > struck

    proxy.set_mode(mode)
    try:
        ends = time.monotonic() + HELD_SECONDS[mode]
        if name in ASKED_LINKS:
            target.ask()
        time.sleep(max(0.0, ends - time.monotonic()))
        until(has_struck, STRUCK_SECONDS)
        yield
    finally:
        proxy.set_mode("pass")


@contextmanager
def clock(target: Target, name: str, seconds: int) -> Iterator[None]:
    """The clock jumps, and later jumps back."""
    target.system.set_clock(name, seconds)
    try:
        time.sleep(3.0)
        yield
    finally:
        target.system.set_clock(name, 0)


@contextmanager
def teacher(target: Target, manner: Manner) -> Iterator[None]:
    """The teacher answers badly."""
    target.system.teacher.manner = manner
    try:
        time.sleep(3.0)
        yield
    finally:
        target.system.teacher.manner = "honest"


@contextmanager
def filled(directory: Path) -> Iterator[None]:
    """Not a byte more can be written to this disk."""
    filler = directory / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(FILL_BYTES)):
                pass
        yield
    finally:
        filler.unlink()


@contextmanager
def full_disk(target: Target) -> Iterator[None]:
    """The disk of checkpoints and policies is full until the user frees space and resumes the job."""
    with filled(target.system.home / "data"):
        until(lambda: target.client.get(target.job_id).status == JobStatus.PAUSED, PAUSE_SECONDS)
        paused = target.client.get(target.job_id)
        assert paused.pause_reason == "disk_full", paused
        assert os.strerror(errno.ENOSPC) in (paused.wait_reason or "")
    target.client.resume(target.job_id)
    yield


@contextmanager
def full_disk_of_redis(target: Target) -> Iterator[None]:
    """Redis cannot write its append-only file and refuses every write until there is space again."""
    with filled(target.system.home / "redis"):
        until(lambda: refuses_writes(target.system), PAUSE_SECONDS)
        time.sleep(3.0)
        yield


def refuses_writes(system: System) -> bool:
    with system.redis() as store:
        return str(store.info("persistence")["aof_last_write_status"]) != "ok"


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(POLL_SECONDS)


@contextmanager
def lost_record(target: Target) -> Iterator[None]:
    """Redis is killed and comes back without the last thing it was told."""
    cut = target.system.home / "cut"
    cut.touch()
    signal_to(target.system, REDIS, signal.SIGKILL)
    until(lambda: not cut.exists(), PAUSE_SECONDS)
    yield


def open_step(target: Target) -> int:
    with target.system.redis() as store:
        return int(store.hget(keys.job(target.job_id), "policy_version") or 0) + 1


@contextmanager
def delivered_twice(target: Target) -> Iterator[None]:
    """Every chunk of the running step reaches the workers twice more."""
    step = open_step(target)
    with target.system.redis() as store:
        found = store.get(keys.manifest(target.job_id, "train", step))
    sender = ChunkSender(target.system.url(REDIS))
    for chunk in range(chunk_count(decode_manifest(found))) if found else [0]:
        sender.send(target.job_id, "train", step, chunk)
        sender.send(target.job_id, "train", step, chunk)
    sender.close()
    yield


@contextmanager
def poison(target: Target) -> Iterator[None]:
    """A broken worker delivers bytes that are no episode, in the place of the next episode that is awaited."""
    with target.system.redis() as store:
        append = store.register_script(scripts.APPEND_EPISODES)
        step = open_step(target)
        until(lambda: bool(store.exists(keys.manifest(target.job_id, "train", step))), PAUSE_SECONDS)
        manifest = decode_manifest(store.get(keys.manifest(target.job_id, "train", step)))
        places = [keys.index(target.job_id, "train", step), keys.stream(target.job_id, "train")]
        new = 0
        for entry in reversed(manifest.entries):
            _, new = append(places, [entry.episode_id, keys.EPISODE_FIELD, b"\xc1 no episode"])
            if new:
                break
        if not new:  # the whole batch was there already: a stray entry
            store.xadd(places[1], {keys.EPISODE_FIELD: b"\xc1 no episode"})
    yield


PROCESSES = (ORCHESTRATOR, LEADER, WORKER, GATEWAY, STUDENT, TRAINER, REDIS)
LOST_RECORD = "lost last record"
MODES: dict[str, Mode] = {"connections reset": "reset", "slow network": "slow", "half-open": "half_open"}
HELD_SECONDS: dict[Mode, float] = {"reset": 0.5, "slow": 2.0, "half_open": 3.0}
MANNERS: dict[str, Manner] = {"garbage": "garbage", "10 MB": "huge", "never": "never"}


def all_faults(system: System) -> dict[str, dict[str, Inject]]:
    """Every fault that can be tried on this machine: by kind, then by where it strikes."""
    both = (ORCHESTRATOR, SECOND_ORCHESTRATOR)
    found: dict[str, dict[str, Inject]] = {
        "kill -9": {name: partial(killed, names=(name,), number=signal.SIGKILL) for name in PROCESSES},
        "restart": {name: partial(killed, names=(name,), number=signal.SIGTERM) for name in PROCESSES},
        "both controllers killed": {"": partial(killed, names=both, number=signal.SIGKILL)},
        "two controllers at once": {"": two_leaders},
        "stop and continue": {name: partial(stopped, name=name) for name in PROCESSES},
        **{kind: {name: partial(link, name=name, mode=mode) for name in LINKS} for kind, mode in MODES.items()},
        LOST_RECORD: {REDIS: lost_record},
        "delivered twice": {WORKER: delivered_twice},
        "poison episode": {TRAINER: poison},
        "teacher": {name: partial(teacher, manner=manner) for name, manner in MANNERS.items()},
    }
    if system.has_disk:
        found["full disk"] = {TRAINER: full_disk, REDIS: full_disk_of_redis}
    if system.has_clocks:
        found["clock one hour ahead"] = {name: partial(clock, name=name, seconds=HOUR) for name in CLOCKS}
        found["clock one hour behind"] = {name: partial(clock, name=name, seconds=-HOUR) for name in CLOCKS}
    return found
