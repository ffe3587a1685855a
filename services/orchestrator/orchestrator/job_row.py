"""A job as Redis holds it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.jobs import JobSpec
from contracts.statuses import JobStatus


@dataclass(frozen=True)
class JobRow:
    """The fields of the job hash; times are Unix seconds.

    policy_version: None until the engine was proved once. seat: how often the job took the engine; served_seat: in
    which of them the trainer last proved that the engine serves policy_version.
    """

    id: str
    spec: JobSpec
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
    """Raises pydantic.ValidationError for a spec of another version."""
    text = {key.decode(): value.decode() for key, value in fields.items()}
    started, version, error = text.get("started_at"), text.get("policy_version"), text.get("error")
    return JobRow(
        id=job_id,
        spec=JobSpec.model_validate_json(text["spec"]),
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
