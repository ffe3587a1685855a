"""Injects one fault after another into a training system, and measures how long each takes to heal."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from contracts import keys
from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.statuses import TERMINAL, JobStatus
from redis import RedisError
from socratic.client import Client

from .injections import ASKED_LINKS, Inject, Target
from .system import System
from .watcher import Watcher

# Recovered: every process is ready, and a whole step was rolled out, trained and served after the fault's end.
RECOVERY_SECONDS = 30.0
# Beyond this a fault has not healed at all; between the two, the machine may just be busy.
HANGING_SECONDS = 120.0
# What may pass between two faults without any harm done: a busy machine, a job's first start with its evaluation.
QUIET_SECONDS = 120.0
POLL_SECONDS = 0.05
EPISODE_SECONDS = 15
TEACHER_SECONDS = 5
STEPS = 60
# A fault and its recovery take some steps; with fewer left, the job is let run to its end and the next one begins.
MARGIN_STEPS = 20


def spec_of(engine_url: str) -> JobSpec:
    """A job that lets every pair of processes talk: the leak probe asks the engine, the KL figure asks the gateway."""
    scorer = {"provider": "openai_compatible", "base_url": f"{engine_url}/v1", "model": "default"}
    return JobSpec.model_validate(
        {
            "name": "faults",
            "student": {"model": "models/materials-base"},
            "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
            "teacher": {"provider": "tutor", "leak_probe": {"samples": 1}, "timeout_seconds": TEACHER_SECONDS},
            "rollout": {
                "prompts_per_step": 8,
                "group_size": 2,
                "max_answer_tokens": 32,
                "episode_timeout_seconds": EPISODE_SECONDS,
            },
            "training": {
                "steps": STEPS,
                "learning_rate": 4e-4,
                "checkpoint_every": 4,
                "keep_last": STEPS,
                "teacher_kl": {"teacher": scorer, "engine": "sglang", "episodes": 1},
            },
            "evaluation": {"every": 1000, "questions": 8},
        }
    )


@dataclass(frozen=True)
class Injection:
    """A fault of the plan."""

    kind: str
    where: str
    inject: Inject

    @property
    def name(self) -> str:
        return f"{self.kind} {self.where}".strip()


@dataclass(frozen=True)
class Outcome:
    """What an injection did: seconds from the fault's end to recovery, and the steps of the job that it may concern."""

    kind: str
    where: str
    job_id: str
    steps: range
    seconds: float


class Campaign:
    """One job after another, each under fire."""

    def __init__(self, system: System, client: Client) -> None:
        self.system = system
        self.client = client
        self.spec = spec_of(system.address("gateway-engine"))
        self.jobs: list[str] = []
        self.watchers: list[Watcher] = []
        self.outcomes: list[Outcome] = []

    def run(self, plan: list[Injection]) -> None:
        """Inject the whole plan, then let the last job end."""
        began = time.monotonic()
        for number, injection in enumerate(plan, 1):
            job_id = self.job_under_fire()
            before = self.version(job_id) or 0
            target = Target(self.system, self.client, job_id)
            with injection.inject(target):
                pass
            seconds = self.await_recovery(target, injection)
            steps = range(before + 1, (self.version(job_id) or STEPS) + 1)
            self.outcomes.append(Outcome(injection.kind, injection.where, job_id, steps, seconds))
            at = time.monotonic() - began
            sys.stdout.write(f"{number:4d}/{len(plan)}  {at:6.1f} s  {injection.name}: recovered in {seconds:.1f} s\n")
            sys.stdout.flush()
        self.finish(self.jobs[-1])

    def job_under_fire(self) -> str:
        """The running job, or the next one where the last has too few steps left; everything is well at that moment."""
        if self.jobs and (self.version(self.jobs[-1]) or 0) > STEPS - MARGIN_STEPS:
            self.finish(self.jobs[-1])
            self.begin()
        if not self.jobs:
            self.begin()
        self.wait(lambda: (self.version(self.jobs[-1]) or 0) >= 1 and self.is_whole(), QUIET_SECONDS, "a first step")
        return self.jobs[-1]

    def begin(self) -> None:
        """The next job, and a user who watches it."""
        self.jobs.append(self.submit())
        self.watchers.append(Watcher(self.client.url, self.jobs[-1]))

    def submit(self) -> str:
        """As a user does who tries again when the service is away."""
        deadline = time.monotonic() + HANGING_SECONDS
        while True:
            try:
                return self.client.submit(self.spec, idempotency_key=f"faults-{len(self.jobs)}").id
            except Problem:
                if time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    def finish(self, job_id: str) -> None:
        self.wait(lambda: self.status(job_id) in TERMINAL, QUIET_SECONDS, "the end of the job")
        assert self.status(job_id) == JobStatus.SUCCEEDED, self.client.get(job_id).error
        self.watchers[-1].thread.join(RECOVERY_SECONDS)

    def await_recovery(self, target: Target, injection: Injection) -> float:
        """Seconds until everything is ready, a step was begun and ended since now, and the user has heard of it."""
        ended = time.monotonic()
        reached: int | None = None

        def recovered() -> bool:
            nonlocal reached
            version = self.version(target.job_id)
            if version is None:
                return False
            # The step that runs at the fault's end may owe it nothing; the one after it does.
            reached = version if reached is None else reached
            heard = self.watchers[-1].version >= min(reached + 2, STEPS)
            return self.is_whole() and heard and (injection.where not in ASKED_LINKS or target.ask())

        self.wait(recovered, HANGING_SECONDS, f"recovery from {injection.name}")
        return time.monotonic() - ended

    def wait(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s: {self.situation()}"
            self.system.keep_second()
            time.sleep(POLL_SECONDS)

    def is_whole(self) -> bool:
        return self.system.all_ready()

    def version(self, job_id: str) -> int | None:
        """The policy version that is served; None while Redis is away."""
        try:
            with self.system.redis() as store:
                return int(store.hget(keys.job(job_id), "policy_version") or 0)
        except RedisError:
            return None

    def status(self, job_id: str) -> JobStatus | None:
        try:
            with self.system.redis() as store:
                return JobStatus(store.hget(keys.job(job_id), "status").decode())
        except RedisError:
            return None

    def situation(self) -> str:
        """What a failing test says."""
        with self.system.redis() as store:
            fields = store.hgetall(keys.job(self.jobs[-1]))
        shown = {name: fields.get(name.encode(), b"").decode() for name in ("status", "wait_reason", "step", "error")}
        return f"{self.jobs[-1]}: {shown}"
