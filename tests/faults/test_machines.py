"""Rollout workers on three machines: one joins, one dies in mid-batch, one is cut off from Redis; the job goes on."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from contracts import keys
from contracts.jobs import JobSpec
from contracts.statuses import JobStatus
from socratic.client import Client
from socratic.stack.health import is_ready
from socratic.stack.plan import GATEWAY, ORCHESTRATOR, REDIS, STUDENT, ProcessPlan, plan_stack, process_names
from socratic.stack.ports import draw_ports
from socratic.stack.process import Child, spawn

from ..stacks import REPOSITORY, materials_stack
from .audit import audit
from .machines import REDIS_ADDRESS, SERVICES_ADDRESS, Machine, machines, may_make_machines

# Beyond loopback no service starts without its key (docs/threat-model.md), and Redis has a password.
PASSWORD, SERVICE_KEY, STUDENT_KEY = "password-of-redis", "key-of-all-services", "key-of-the-student"
KEYS = {
    GATEWAY: {"TEACHER_GATEWAY_SERVICE_KEY": SERVICE_KEY},
    ORCHESTRATOR: {"ORCHESTRATOR_SERVICE_KEY": SERVICE_KEY, "ORCHESTRATOR_STUDENT_API_KEY": STUDENT_KEY},
    STUDENT: {"STUDENT_INFERENCE_API_KEY": STUDENT_KEY},
    "trainer": {"TRAINER_STUDENT_API_KEY": STUDENT_KEY},
}
STEPS = 8
# The whole takes half a minute on a quiet machine.
PATIENCE_SECONDS = 240.0
STOP_SECONDS = 10.0
SPEC = JobSpec.model_validate(
    {
        "name": "machines",
        "student": {"model": "models/materials-base"},
        "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
        "teacher": {"provider": "tutor"},
        "rollout": {"prompts_per_step": 32, "group_size": 8, "max_answer_tokens": 32, "episode_timeout_seconds": 20},
        "training": {"steps": STEPS, "learning_rate": 4e-4, "keep_last": STEPS},
        "evaluation": {"every": 1000, "questions": 8},
    }
)


class Fleet:
    """Services on the host, workers on the machines."""

    def __init__(self, home: Path, plans: list[ProcessPlan]) -> None:
        self.home = home
        self.plans = plans
        self.children: dict[str, Child] = {}
        self.store = redis.Redis.from_url(plans[0].url)

    def start(self, plan: ProcessPlan, name: str, machine: Machine | None = None) -> None:
        command = machine.command(plan.command) if machine else plan.command
        environment = {**os.environ, **plan.environment}
        self.children[name] = spawn(command, environment, self.home / "logs" / f"{name}.log")

    def start_services(self) -> None:
        for plan in self.plans[:-1]:
            self.start(plan, plan.name)
            if plan.name == REDIS:
                until(lambda: answers(self.store), "Redis")
        until(lambda: all(is_ready(plan.ready_url) for plan in self.plans[1:-1]), "the services")

    def start_worker(self, machine: Machine) -> None:
        self.start(self.plans[-1], machine.name, machine)

    def at_work(self, machine: Machine) -> bool:
        """The worker of this machine is in the middle of a batch."""
        pattern = keys.heartbeat("worker", f"*-{self.children[machine.name].pid}")
        beats = [self.store.get(key) for key in self.store.scan_iter(match=pattern)]
        return any(beat is not None and json.loads(beat)["chunks"] > 0 for beat in beats)

    def stop(self) -> None:
        for child in self.children.values():
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.exit_status() is None for child in self.children.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in self.children.values():
            child.clear_away()


@contextmanager
def fleet(home: Path) -> Iterator[tuple[Fleet, list[Machine]]]:
    """Every service that a worker needs listens on the bridge."""
    with ExitStack() as stack:
        hosts = stack.enter_context(machines(3))
        request = materials_stack(home).model_copy(
            update={"settings": {**KEYS, "rollout-worker-1": KEYS[ORCHESTRATOR]}}
        )
        (home / "redis").mkdir()
        plans = plan_stack(request, draw_ports(process_names(request), {}))
        stack.callback(os.chdir, Path.cwd())
        os.chdir(REPOSITORY)
        services = Fleet(home, [on_bridge(plan, plans) for plan in plans])
        stack.callback(services.stop)
        services.start_services()
        yield services, hosts


def on_bridge(plan: ProcessPlan, plans: list[ProcessPlan]) -> ProcessPlan:
    """The same process with the addresses of Redis, gateway and engine on the bridge, and its own where it is one."""
    moved = {
        item.url: item.url.replace("127.0.0.1", SERVICES_ADDRESS) for item in plans if item.name in (GATEWAY, STUDENT)
    }
    moved[plans[0].url] = plans[0].url.replace("127.0.0.1", f":{PASSWORD}@{REDIS_ADDRESS}")
    environment = {name: replaced(value, moved) for name, value in plan.environment.items()}
    if plan.name == REDIS:
        command = [REDIS_ADDRESS if word == "127.0.0.1" else word for word in plan.command]
        return replace(plan, command=(*command, "--requirepass", PASSWORD), url=moved[plan.url])
    if plan.url in moved:
        environment = {
            name: SERVICES_ADDRESS if name.endswith("_HOST") else value for name, value in environment.items()
        }
    return replace(plan, environment=environment, ready_url=replaced(plan.ready_url, moved))


def replaced(text: str, moved: dict[str, str]) -> str:
    for old, new in moved.items():
        text = text.replace(old, new)
    return text


def answers(store: "redis.Redis") -> bool:
    try:
        return bool(store.ping())
    except redis.RedisError:
        return False


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_workers_join_die_and_are_cut_off(tmp_path: Path) -> None:
    if not may_make_machines():
        pytest.skip("network namespaces need root and iproute2; as root: pytest tests/faults/test_machines.py")
    with fleet(tmp_path) as (services, (first, second, third)):
        orchestrator = next(plan.url for plan in services.plans if plan.name == ORCHESTRATOR)
        services.start_worker(first)
        services.start_worker(second)
        with Client(orchestrator, SERVICE_KEY) as client:
            job = client.submit(SPEC)
            until(lambda: services.at_work(first) and services.at_work(second), "two machines at work")
            services.start_worker(third)
            until(lambda: services.at_work(third), "a third machine at work")
            until(lambda: services.at_work(first), "the first machine in mid-batch")
            services.children[first.name].send(signal.SIGKILL)
            until(lambda: services.at_work(second), "the second machine in mid-batch")
            second.cut_off(REDIS_ADDRESS)
            cut_at = client.get(job.id).progress.step
            until(lambda: client.get(job.id).progress.step >= min(cut_at + 2, STEPS), "steps without it")
            second.reconnect(REDIS_ADDRESS)
            until(lambda: client.get(job.id).status != JobStatus.RUNNING, "the end")
            ended = client.get(job.id)
            assert ended.status == JobStatus.SUCCEEDED, ended.error
            assert services.children[second.name].exit_status() is None
        found = audit(services.store, tmp_path / "data", job.id, STEPS)
        assert (found.episodes, found.lost.total(), found.doubled.total()) == (STEPS * 32 * 8, 0, 0)
