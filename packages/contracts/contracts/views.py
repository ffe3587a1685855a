"""What the orchestrator answers about jobs."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from contracts.jobs import JobSpec
from contracts.retention import Rule
from contracts.statuses import JobStatus
from contracts.stored_specs import UnreadableSpec


class View(BaseModel):
    """Base of the answers."""

    model_config = ConfigDict(extra="forbid")


class Progress(View):
    """Where a job stands, for a status line. Accuracies are None until measured."""

    step: int = Field(0, description="Training steps done.")
    steps: int | None = Field(description="None where the spec cannot be read.")
    policy_version: int | None = Field(None, description="Version that the engine is proved to serve.")
    unassisted_accuracy: float | None = Field(None, description="Of the last training batch.")
    guided_accuracy: float | None = None
    decay_factor: float | None = Field(None, description="mu of the last training batch.")
    evaluation_step: int | None = None
    evaluation_unassisted_accuracy: float | None = None
    evaluation_guided_accuracy: float | None = None
    episodes_per_second: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = Field(None, description="Estimate from the last steps.")
    cold_batches: int = 0
    failed_episodes: int = 0


class DataWarning(View):
    """Something about a job's questions that whoever reads its accuracies should know."""

    code: str = Field(description="`train_test_overlap` or `letter_bias`.")
    text: str
    figures: dict[str, float]


class Job(View):
    """A job as GET /v1/jobs/{id} shows it."""

    object: Literal["job"] = "job"
    id: str
    name: str
    status: JobStatus
    wait_reason: str | None = None
    pause_reason: str | None = Field(
        None, description="Why it is pausing or paused: `user`, `budget_exhausted`, `disk_full` or `storage_failed`."
    )
    queue_position: int | None = Field(None, description="Of a queued job: 1 takes the student engine next.")
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    estimated_finish: float | None = Field(
        None, description="Of a running job, Unix time, at the present pace; null until one evaluation or step is done."
    )
    error: dict[str, Any] | None = None
    progress: Progress
    spec: JobSpec | None = Field(description="None where this version cannot read what another one stored.")
    unreadable_spec: UnreadableSpec | None = Field(
        None, description="Then: why. What the job made can be read; it is not resumed, and fails when its turn comes."
    )


class Checkpoint(View):
    """A checkpoint of a job, as GET /v1/jobs/{id}/checkpoints shows it."""

    object: Literal["checkpoint"] = "checkpoint"
    job_id: str
    step: int
    status: Literal["whole", "damaged", "unverified"] = Field(
        description="Whether its files are what was written. `unverified`: too large to be read at every look; ask "
        "with ?verify=true."
    )
    damage: str | None = Field(None, description="What is wrong with it.")
    sha256: str | None = Field(description="Of its weights, as they were written.")
    bytes: int = Field(description="Size of all its files.")
    created_at: float
    deleting: bool = Field(False, description="A user wants it deleted: the trainer does so within seconds of running.")
    kept_by: list[Rule] = Field(
        description="The rules of `training` that keep it; none: it goes at the next one. "
        "`unreadable_spec`: this version cannot read the rules, and nothing goes."
    )
    unassisted_accuracy: float | None = Field(description="On held-out questions; None where it was not evaluated.")
    student_model: str | None = Field(
        description="What a new job gives as `student.model` to start from it; None when its policy directory is gone."
    )


class Model(View):
    """A student that a job may name, as GET /v1/models shows it."""

    object: Literal["model"] = "model"
    id: str = Field(description="What a job gives as `student.model`.")
    kind: Literal["base", "policy"] = Field(description="`policy`: a version that a job of this system has trained.")
    job_id: str | None = Field(None, description="Of a policy: the job that trained it.")
    policy_version: int | None = None
    model_type: str | None = Field(description="Of its config.json.")
    bytes: int = Field(description="Size of its weights.")
    served: bool = Field(description="The student engine has its architecture, so that a job may train it now.")


class Series(View):
    """One value by step; `steps` and `values` have the same length. NaN and infinities are null."""

    steps: list[int]
    values: list[float | None]


class MetricSeries(View):
    """Curves of a job, as GET /v1/jobs/{id}/metrics shows them."""

    object: Literal["metrics"] = "metrics"
    job_id: str
    series: dict[str, Series]


Item = TypeVar("Item")


class Page(View, Generic[Item]):
    """A list envelope with cursors."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    first_id: str | None
    last_id: str | None
