"""Nothing waits for ever (invariant 8): how long a job may wait for what. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass

from contracts.jobs import JobSpec

from orchestrator.schedule import Wait
from orchestrator.settings import OrchestratorSettings


@dataclass
class Patience:
    """Measures how long the same thing is waited for.

    It counts what this controller has seen, not stored times: after the whole machine was off for a night, its
    components must get their time to start.
    """

    waited_for: Hashable = None
    since: float = 0.0

    def waited(self, thing: Hashable, now: float) -> float:
        """Seconds (of a monotonic clock) since `thing` became what is waited for."""
        if thing != self.waited_for:
            self.waited_for, self.since = thing, now
        return now - self.since


@dataclass(frozen=True)
class Deadline:
    """What happens to a job that waited too long."""

    seconds: float
    code: str
    advice: str


def deadline_of(wait: Wait, spec: JobSpec, settings: OrchestratorSettings) -> Deadline:
    """How long a job may wait without progress, and what its user is told after it."""
    if wait.kind == "no_trainer":
        advice = "start the trainer (python -m trainer) and submit the job again"
        return Deadline(settings.trainer_missing_seconds, "trainer_missing", advice)
    if wait.kind == "no_worker":
        advice = "start a rollout worker (python -m orchestrator.worker) and submit the job again"
        return Deadline(settings.workers_missing_seconds, "workers_missing", advice)
    if wait.kind == "trainer":
        return Deadline(settings.trainer_stalled_seconds, "trainer_stalled", "see the trainer's log")
    seconds = spec.rollout.episode_timeout_seconds + settings.rollout_stalled_seconds
    return Deadline(seconds, "rollout_stalled", "see the logs of the rollout workers and of the student engine")
