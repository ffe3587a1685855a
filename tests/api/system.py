"""A whole stack with jobs in it, and a second orchestrator with API keys beside the open one."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.jobs import JobSpec
from contracts.statuses import JobStatus
from servicekit.keys import add_key
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.health import is_ready
from socratic.stack.plan import ORCHESTRATOR
from socratic.stack.ports import draw_ports
from socratic.stack.process import last_lines, spawn
from socratic.stack.state import StackState
from socratic.watch import watch

from ..stacks import environment_of, materials_stack

# A small machine that others use too loads torch in half a minute.
READY_SECONDS = 90.0
SMALL = JobSpec.model_validate(
    {
        "name": "small",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials"},
        "teacher": {"provider": "tutor"},
        "rollout": {"prompts_per_step": 2, "group_size": 2},
        "training": {"steps": 2},
        "evaluation": {"every": 2, "questions": 2},
    }
)


@dataclass(frozen=True)
class System:
    """Both orchestrators, a key of each scope for the guarded one, and what they can be asked for."""

    home: Path
    open_url: str
    guarded_url: str
    keys: dict[str, str]
    jobs: list[str]
    episodes: list[str]


@contextmanager
def running_system(home: Path) -> Iterator[System]:
    """With a job that has ended, so that it has everything, one that is paused, and one that is cancelled."""
    with (
        own_stack(materials_stack(home / "stack"), dict(os.environ), lambda _: None) as stack,
        Client(stack.orchestrator_url) as client,
    ):
        ended = watch(client, client.submit(SMALL).id, lambda _: None)
        assert ended.status == JobStatus.SUCCEEDED, ended.error
        episodes = [each["episode_id"] for each in client.episodes(ended.id, limit=4)]
        paused, cancelled = client.submit(SMALL).id, client.submit(SMALL.model_copy(update={"priority": -100})).id
        client.cancel(cancelled)
        pause(client, paused)
        keys = {scope: add_key(home / "keys.json", scope, scope) for scope in ("read", "submit", "admin")}
        with guarded_orchestrator(stack, home) as url:
            yield System(home / "stack", stack.orchestrator_url, url, keys, [ended.id, paused, cancelled], episodes)


def pause(client: Client, job_id: str) -> None:
    """As soon as the job runs."""
    while client.get(job_id).status == JobStatus.QUEUED:
        time.sleep(0.05)
    client.pause(job_id)


@contextmanager
def guarded_orchestrator(stack: StackState, home: Path) -> Iterator[str]:
    """One more on the same Redis, with keys; one of the two leads."""
    first = next(process for process in stack.processes if process.name == ORCHESTRATOR)
    port = draw_ports(["guarded"], {})["guarded"]
    settings = {"ORCHESTRATOR_PORT": str(port), "ORCHESTRATOR_KEYS_FILE": str(home / "keys.json")}
    command = [sys.executable, "-P", "-m", "orchestrator"]
    child = spawn(command, environment_of(first.pid) | settings, home / "guarded.log")
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(f"{url}/readyz"):
            assert child.exit_status() is None, last_lines(child.log)
            assert time.monotonic() < deadline, last_lines(child.log)
            time.sleep(0.1)
        yield url
    finally:
        child.clear_away()
