"""A job as Redis holds it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.jobs import JobSpec, TaskSpec
from contracts.statuses import JobStatus
from contracts.stored_specs import UnreadableSpec, read_spec


@dataclass(frozen=True)
class JobRow:
    """The fields of the job hash; times are Unix seconds.

    stored: the specification, or why this version cannot read it; `spec` is for those who need the settings.
    policy_version: None until the engine was proved once. seat: how often the job took the engine; served_seat: in
    which of them the trainer last proved that the engine serves policy_version.
    """

    id: str
    stored: JobSpec | UnreadableSpec
    status: JobStatus
    created_at: float
    updated_at: float
    started_at: float | None
    policy_version: int | None
    wait_reason: str | None
    error: dict[str, Any] | None
    pause_reason: str | None = None
    pause_detail: str = ""
    seat: int = 0
    served_seat: int = 0

    @property
    def spec(self) -> JobSpec:
        """The settings. Raises a 409 Problem that names the field which this version does not accept."""
        if isinstance(self.stored, UnreadableSpec):
            raise self.stored.as_problem()
        return self.stored

    @property
    def name(self) -> str:
        """Its id where the spec names none that can be read."""
        return self.stored.name if isinstance(self.stored, JobSpec) else self.stored.text_at("name") or self.id

    @property
    def student_model(self) -> str | None:
        """As the job names it; None where that cannot be read."""
        if isinstance(self.stored, JobSpec):
            return self.stored.student.model
        return self.stored.text_at("student", "model")

    @property
    def task(self) -> TaskSpec | None:
        """What is asked; None where that cannot be read."""
        return self.stored.task if isinstance(self.stored, JobSpec) else self.stored.task()

    @property
    def served_version(self) -> int | None:
        """The policy version that the engine serves since the job took its seat; None before that is proved."""
        return self.policy_version if self.served_seat == self.seat else None


def new_fields(spec: JobSpec, now: float) -> dict[str, str]:
    """The hash of a job that was just accepted."""
    return {
        "spec": spec.model_dump_json(),
        "status": JobStatus.QUEUED,
        "priority": str(spec.priority),
        "created_at": repr(now),
        "updated_at": repr(now),
    }


def parse_row(job_id: str, fields: Mapping[bytes, bytes]) -> JobRow:
    """A spec that this version cannot read is a row too."""
    text = {key.decode(): value.decode() for key, value in fields.items() if key != b"spec"}
    started, version, error = text.get("started_at"), text.get("policy_version"), text.get("error")
    return JobRow(
        id=job_id,
        stored=read_spec(fields.get(b"spec", b"")),
        status=JobStatus(text["status"]),
        created_at=float(text["created_at"]),
        updated_at=float(text["updated_at"]),
        started_at=float(started) if started else None,
        policy_version=int(version) if version else None,
        wait_reason=text.get("wait_reason") or None,
        error=json.loads(error) if error else None,
        pause_reason=text.get("pause_reason") or None,
        pause_detail=text.get("pause_detail", ""),
        seat=int(text.get("seat", 0)),
        served_seat=int(text.get("served_seat", 0)),
    )
