"""What is due for a running job: pure functions of what is there (protocol of the controller's tick)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contracts.episodes import Purpose
from contracts.jobs import JobSpec

# A message that nobody took up this long after it was sent is taken for lost, about as soon as a lost worker's lease
# ends. Sending one twice does no harm: the second finds the lease taken or nothing missing.
REDISPATCH_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class OpenBatch:
    """An opened manifest and how many of its episodes have arrived."""

    purpose: Purpose
    step: int
    policy_version: int  # oldest version that may sample it
    episodes: int
    arrived: int

    @property
    def complete(self) -> bool:
        """Every episode of the manifest is in the stream."""
        return self.arrived >= self.episodes


@dataclass(frozen=True)
class JobState:
    """What the controller sees of a running job at one moment.

    policy_version: what the engine serves, None before it is proved. evaluated: policy versions with a record.
    """

    spec: JobSpec
    policy_version: int | None
    evaluated: frozenset[int]
    train: Mapping[int, OpenBatch]  # by step; opened ones among `window`
    evaluation: OpenBatch | None  # of the current policy version, while it is due
    trainer_alive: bool
    workers_alive: bool
    throttled_by: str | None = None  # the provider whose rate limit guidance waits for
    seat: int = 1  # how often the job took the engine
    to_publish: int | None = None  # while policy_version is None: the version that an earlier seat has reached


@dataclass(frozen=True)
class Wait:
    """What a job waits for: `text` for the user; `mark` changes whenever there is progress."""

    kind: Literal["no_trainer", "no_worker", "trainer", "rollout"]
    text: str
    mark: tuple[object, ...] = ()


def evaluation_due(spec: JobSpec, version: int | None, evaluated: frozenset[int]) -> int | None:
    """The policy version that is to be evaluated now."""
    if version is None or version in evaluated or not spec.evaluates_at(version):
        return None
    return version


def window(spec: JobSpec, version: int | None) -> range:
    """Training steps whose batch may be open at this policy version: those within the allowed staleness."""
    if version is None:
        return range(0)
    return range(version + 1, min(spec.training.steps, version + 1 + spec.rollout.max_staleness) + 1)


def steps_to_open(state: JobState) -> list[int]:
    """Batches to open now. A batch waits for every evaluation before it, so that no evaluation sees a newer policy."""
    version = state.policy_version
    if version is None:
        return []
    pending = [
        step
        for step in range(version, version + 1 + state.spec.rollout.max_staleness)
        if state.spec.evaluates_at(step) and step not in state.evaluated
    ]
    last = min(pending, default=state.spec.training.steps)
    return [step for step in window(state.spec, version) if step <= last and step not in state.train]


def to_roll_out(state: JobState) -> list[OpenBatch]:
    """Open batches that miss episodes, the evaluation first."""
    batches = [state.train[step] for step in sorted(state.train)]
    if state.evaluation is not None:
        batches.insert(0, state.evaluation)
    return [batch for batch in batches if not batch.complete]


def is_finished(state: JobState) -> bool:
    """The last policy version is published and evaluated."""
    steps = state.spec.training.steps
    return state.policy_version == steps and steps in state.evaluated


def chunks_due(chunks: int, dispatched: Mapping[int, float], now: float) -> list[int]:
    """Chunks that were never handed out, or so long ago that their message may be lost (times in Unix seconds)."""
    return [chunk for chunk in range(chunks) if abs(now - dispatched.get(chunk, 0.0)) > REDISPATCH_GRACE_SECONDS]


def waiting_for(state: JobState) -> Wait:
    """What holds the job up at this moment."""
    version = state.policy_version
    if version is None:
        policy = f"policy {state.to_publish}" if state.to_publish else "the base policy"
        return _trainer(state, f"trainer: publishing {policy}", ())
    current = state.evaluation or state.train.get(version + 1)
    if current is None or (current.complete and current.purpose == "eval"):
        return Wait("rollout", f"controller: opening what policy {version} is due", (version,))
    if not current.complete:
        return _rollout(state, current)
    return _trainer(state, f"trainer: updating on step {version + 1}", (version,))


def _trainer(state: JobState, text: str, mark: tuple[object, ...]) -> Wait:
    if not state.trainer_alive:
        return Wait("no_trainer", "trainer: no trainer is alive")
    return Wait("trainer", text, mark)


def _rollout(state: JobState, batch: OpenBatch) -> Wait:
    if not state.workers_alive:
        return Wait("no_worker", "workers: no rollout worker is alive")
    mark = (batch.purpose, batch.step, batch.arrived)
    if batch.purpose == "eval":
        text = f"evaluation: {batch.arrived} of {batch.episodes} questions of policy {batch.step}"
    else:
        text = f"rollout: {batch.arrived} of {batch.episodes} episodes of step {batch.step}"
    if state.throttled_by is not None:
        text = f"teacher_rate_limited: {state.throttled_by}; {text}"
    return Wait("rollout", text, mark)
