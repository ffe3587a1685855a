"""Policy versions: swapped into every engine, and proved to be served before they count."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.events import Event, PolicyPublished, PolicyRestored, PublishFailed
from contracts.policies import checkpoint_steps, engine_version, policy_directory

from trainer.canary import canary_ids, complaint_about, largest_gap
from trainer.engine import Engine, EngineError
from trainer.failures import JobFailure
from trainer.policies import collect_old, write_policy
from trainer.policy import Policy

# A supervisor restarts a dead engine within seconds; a large model takes a minute or two to load.
PUBLISH_SECONDS = 180.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """What the engines must serve, and how to recognise it."""

    version: int
    name: str  # the engine's weight version
    directory: Path
    canary_ids: list[int]
    canary: list[float]
    canary_before: list[float] | None  # of the version that it replaces


class Publisher:
    """Publishes the versions of one job. `tell` hears of every success and failure, `pause` waits or raises."""

    def __init__(
        self,
        engines: Sequence[Engine],
        data_root: Path,
        job_id: str,
        base: Path,
        tell: Callable[[Event], None],
        pause: Callable[[float], None],
        deadline_seconds: float = PUBLISH_SECONDS,
    ) -> None:
        self.engines = engines
        self.data_root = data_root
        self.job_id = job_id
        self.base = base
        self.tell = tell
        self.pause = pause
        self.deadline_seconds = deadline_seconds
        self.served: Target | None = None
        self.last_answer: dict[str, float] = {}

    def publish(self, policy: Policy, version: int) -> None:
        """Write, swap, prove. Raises JobFailure when the deadline passes without a proof."""
        started = time.monotonic()
        directory = policy_directory(self.data_root, self.job_id, version).absolute()
        write_policy(policy, self.base, directory)
        canary = canary_ids(policy.vocab_size)
        target = Target(
            version=version,
            name=engine_version(self.job_id, version),
            directory=directory,
            canary_ids=canary,
            canary=policy.prompt_logprobs(canary),
            canary_before=self.served.canary if self.served else None,
        )
        gap = self.swap_all(target)
        self.served = target
        collect_old(directory.parent, kept=checkpoint_steps(self.data_root, self.job_id))
        seconds = time.monotonic() - started
        self.tell(PolicyPublished(at=time.time(), policy_version=version, canary_gap=gap, seconds=seconds))

    def watch(self) -> None:
        """Give the served version again to an engine that lost it. Raises JobFailure when one stays away too long."""
        if self.served is None:
            return
        for engine in self.engines:
            try:
                found = engine.weight_version()
            except EngineError as error:
                self.check_silence(engine, error)
                continue
            self.last_answer[engine.url] = time.monotonic()
            if found != self.served.name:
                self.swap_all(self.served)
                self.tell(PolicyRestored(at=time.time(), policy_version=self.served.version, found=found))

    def check_silence(self, engine: Engine, error: EngineError) -> None:
        """A busy engine may miss an answer or two; one that is gone fails the job."""
        silent = time.monotonic() - self.last_answer.setdefault(engine.url, time.monotonic())
        if silent > self.deadline_seconds:
            raise JobFailure("engine_unreachable", f"no answer from the student engine for {silent:.0f} s: {error}")

    def swap_all(self, target: Target) -> float:
        """Returns the largest canary gap over the engines. Raises JobFailure at the deadline."""
        deadline, pause = time.monotonic() + self.deadline_seconds, FIRST_PAUSE_SECONDS
        while True:
            try:
                return max(swap(engine, target) for engine in self.engines)
            except EngineError as error:
                self.tell(PublishFailed(at=time.time(), policy_version=target.version, detail=str(error)))
                if time.monotonic() > deadline:
                    detail = f"policy {target.version} was not published within {self.deadline_seconds:.0f} s: {error}"
                    raise JobFailure("publish_failed", detail) from error
            self.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def swap(engine: Engine, target: Target) -> float:
    """Swap one engine and prove it. Returns the canary gap, nats. Raises EngineError when it is not proved."""
    engine.load(target.directory, target.name)
    served = engine.weight_version()
    if served != target.name:
        raise EngineError(f"{engine.url} answered success but serves {served}, not {target.name}")
    found = engine.prompt_logprobs(target.canary_ids)
    complaint = complaint_about(found, target.canary, target.canary_before)
    if complaint is not None:
        raise EngineError(f"{engine.url} says it serves {target.name}, but {complaint}")
    return largest_gap(found, target.canary)
