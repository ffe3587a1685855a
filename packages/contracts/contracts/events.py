"""What a job tells its user: typed, closed, ordered by strictly increasing ids (Redis stream ids)."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter

from contracts.records import EvaluationRecord, JsonRecord, StepRecord
from contracts.statuses import JobStatus


class Event(JsonRecord):
    """Base. `at` is Unix time in seconds."""

    at: float


class JobCreated(Event):
    """The job was accepted."""

    type: Literal["job.created"] = "job.created"
    name: str


class StatusChanged(Event):
    """The job moved along the transition table."""

    type: Literal["job.status"] = "job.status"
    status: JobStatus
    reason: str = ""


class ManifestOpened(Event):
    """The episodes of a batch or evaluation are fixed."""

    type: Literal["manifest.opened"] = "manifest.opened"
    purpose: Literal["train", "eval"]
    step: int
    policy_version: int
    episodes: int


class StepTrained(Event):
    """A batch was trained and its policy version published."""

    type: Literal["step.trained"] = "step.trained"
    record: StepRecord


class BatchCold(Event):
    """No attempt of the batch earned anything: all failed, or the decay left nothing to those that did not."""

    type: Literal["batch.cold"] = "batch.cold"
    step: int
    cold_batches: int


class BatchZeroGradient(Event):
    """No token of the batch has an advantage: all that the method compares earned the same. Rewards taught nothing."""

    type: Literal["batch.zero_gradient"] = "batch.zero_gradient"
    step: int


class PolicyPublished(Event):
    """The engine serves this version: its weight version and a canary log-probability were read back."""

    type: Literal["policy.published"] = "policy.published"
    policy_version: int
    canary_gap: float = Field(
        description="|engine - trainer| of the canary's log-probability, nats per token, largest."
    )
    seconds: float
    in_rotation: int = Field(1, description="Replicas that may sample now.")
    phase_seconds: dict[str, float] = Field({}, description="write, prepare, swap: the slowest replica of each.")


class PolicyRestored(Event):
    """A replica that was out of rotation was given the current version, proved it, and may sample again."""

    type: Literal["policy.restored"] = "policy.restored"
    policy_version: int
    found: str = Field(description="Why it had been out.")
    replica: str = Field("", description="Its control address.")
    in_rotation: int = 1


class ReplicaLeft(Event):
    """A replica of the student engine is out of rotation: it gets no traffic, and none of its tokens count."""

    type: Literal["replica.left"] = "replica.left"
    replica: str = Field(description="Its control address.")
    reason: str
    in_rotation: int = Field(description="Replicas that may sample now.")


class PolicyRolledBack(Event):
    """Some replicas could not swap, so all returned to the version before (the rule `roll_back`)."""

    type: Literal["policy.rolled_back"] = "policy.rolled_back"
    policy_version: int = Field(description="The version that is served again.")
    abandoned_version: int
    replicas: list[str] = Field(description="Those that were proved to serve it.")
    in_rotation: int


class PublishFailed(Event):
    """A swap that could not be proved; the trainer tries again until its deadline."""

    type: Literal["policy.publish_failed"] = "policy.publish_failed"
    policy_version: int
    detail: str
    replica: str = Field("", description="Its control address.")
    phase: str = Field("", description="prepare, swap or roll_back.")


class EvaluationFinished(Event):
    """Held-out accuracy of a policy version."""

    type: Literal["evaluation.finished"] = "evaluation.finished"
    record: EvaluationRecord


class EpisodeFailed(Event):
    """An episode that could not be completed, recorded as a failure."""

    type: Literal["episode.failed"] = "episode.failed"
    episode_id: str
    code: str
    detail: str


class EpisodeRejected(Event):
    """A stream entry that is no valid episode went to the dead letters."""

    type: Literal["episode.rejected"] = "episode.rejected"
    entry_id: str
    detail: str


class ChunkRedispatched(Event):
    """Episodes were handed out again because their worker was lost."""

    type: Literal["chunk.redispatched"] = "chunk.redispatched"
    purpose: Literal["train", "eval"]
    step: int
    chunk: int
    missing: int


class TrainerResumed(Event):
    """The trainer took the job up again from a checkpoint."""

    type: Literal["trainer.resumed"] = "trainer.resumed"
    step: int


class CheckpointCommitted(Event):
    """Weights, optimizer and the ids of the consumed episodes are on disk."""

    type: Literal["checkpoint.committed"] = "checkpoint.committed"
    step: int
    sha256: str


class CheckpointDamaged(Event):
    """A checkpoint is not what was written; `used` is the older whole one that training goes on from."""

    type: Literal["checkpoint.damaged"] = "checkpoint.damaged"
    step: int
    detail: str
    used: int


class CheckpointDeleted(Event):
    """A user had it deleted, with its policy unless that is the newest. It may come after the job's last status."""

    type: Literal["checkpoint.deleted"] = "checkpoint.deleted"
    step: int


class CheckpointDeleteFailed(Event):
    """The disk did not let a checkpoint be deleted; once that is mended, ask again."""

    type: Literal["checkpoint.delete_failed"] = "checkpoint.delete_failed"
    step: int
    detail: str


_Kinds = (
    JobCreated
    | StatusChanged
    | ManifestOpened
    | StepTrained
    | BatchCold
    | BatchZeroGradient
    | PolicyPublished
    | PolicyRestored
    | PublishFailed
    | ReplicaLeft
    | PolicyRolledBack
    | EvaluationFinished
    | EpisodeFailed
    | EpisodeRejected
    | ChunkRedispatched
    | TrainerResumed
    | CheckpointCommitted
    | CheckpointDamaged
    | CheckpointDeleted
    | CheckpointDeleteFailed
)
AnyEvent = Annotated[_Kinds, Field(discriminator="type")]
EVENT_TYPES: tuple[str, ...] = tuple(kind.model_fields["type"].default for kind in get_args(_Kinds))
EVENT_FIELD = "event"
_adapter: TypeAdapter[Any] = TypeAdapter(AnyEvent)


def encode_event(event: Event) -> str:
    """JSON for the events stream."""
    return event.model_dump_json()


def decode_event(data: str | bytes) -> Event:
    """Raises pydantic.ValidationError for an unknown type or field."""
    event: Event = _adapter.validate_json(data)
    return event
