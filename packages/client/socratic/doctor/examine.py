"""Every check that can be made from where the client stands."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from socratic.doctor.finding import Finding
from socratic.doctor.machine import (
    check_disk,
    check_open_files,
    check_packages,
    check_port,
    check_redis_program,
    check_threads,
)
from socratic.doctor.redis import check_redis
from socratic.doctor.services import Asker, check_engine, check_heartbeats, check_orchestrator
from socratic.stack.plan import REDIS, STUDENT, TRAINER
from socratic.stack.state import ProcessState, StackState

NOT_RUNNING = "no stack runs; socratic up"


@dataclass(frozen=True)
class Patient:
    """Where to look: a running local stack (`state`), an orchestrator and a Redis that somebody named."""

    home: Path
    state: StackState | None
    url: str | None
    redis_url: str | None
    api_key: str | None
    port: int = 0


def examine(patient: Patient) -> list[Finding]:
    """In the order in which things are needed: the machine, Redis, the services."""
    return [*machine(patient), *redis(patient), *processes(patient.state), *services(patient)]


def machine(patient: Patient) -> list[Finding]:
    """Asked of every machine, whether a stack runs or not."""
    findings = [check_disk(patient.home), check_open_files(), check_packages()]
    if patient.state is None and patient.url is None:
        findings += [check_port(patient.port)] + [check_redis_program()] * (patient.redis_url is None)
    computing = [each for each in processes_of(patient.state) if each.name.startswith(STUDENT) or each.name == TRAINER]
    return [*findings, check_threads({each.name: environment_of(each) for each in computing}, os.cpu_count() or 1)]


def redis(patient: Patient) -> list[Finding]:
    """Redis itself, then who writes to it."""
    url = redis_url_of(patient)
    if url is None:
        return [Finding("redis", "skipped", NOT_RUNNING)]
    findings = check_redis(url)
    answers = findings[0].state == "ok"
    watched = patient.state is not None or patient.url is not None
    return findings + (check_heartbeats(url) if answers and watched else [])


def redis_url_of(patient: Patient) -> str | None:
    """The one that was named, else the stack's own."""
    own = next((each.url for each in processes_of(patient.state) if each.name == REDIS), None)
    return patient.redis_url or own


def processes(state: StackState | None) -> list[Finding]:
    """Those that the supervisor has to start again and again, or that are not ready."""
    return [check_process(each) for each in processes_of(state) if each.restarts or not each.ready]


def check_process(process: ProcessState) -> Finding:
    """What is wrong is in its log."""
    fix = f"read {process.log}"
    if not process.ready:
        return Finding(process.name, "failed", f"not ready, {process.restarts} restarts", fix)
    return Finding(process.name, "warning", f"ready, after {process.restarts} restarts", fix)


def services(patient: Patient) -> list[Finding]:
    """The orchestrator, and each engine of a local stack."""
    url = patient.url or (patient.state.orchestrator_url if patient.state else None)
    if url is None:
        return [Finding("services", "skipped", NOT_RUNNING)]
    asker = Asker(patient.api_key)
    engines = [each for each in processes_of(patient.state) if each.name.startswith(STUDENT)]
    return [*check_orchestrator(asker, url), *(check_engine(asker, each.url) for each in engines)]


def processes_of(state: StackState | None) -> list[ProcessState]:
    """None where no stack runs."""
    return [] if state is None else state.processes


def environment_of(process: ProcessState) -> Mapping[str, str]:
    """Of a running process of this user; empty where it cannot be read."""
    try:
        items = Path(f"/proc/{process.pid}/environ").read_text().split("\0")
    except OSError:
        return {}
    return dict(item.split("=", 1) for item in items if "=" in item)
