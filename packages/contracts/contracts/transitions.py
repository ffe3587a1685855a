"""A job's steps along the transition table as keys and arguments of scripts.TRANSITION, the same from every service."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contracts import keys
from contracts.events import StatusChanged, encode_event
from contracts.statuses import JobStatus, sources_of

PauseReason = Literal["user", "budget_exhausted", "disk_full", "storage_failed"]


@dataclass(frozen=True)
class Transition:
    """What scripts.TRANSITION takes; `keys` are the job's hash and its events."""

    keys: list[str]
    arguments: list[str]


def transition(
    job_id: str,
    target: JobStatus,
    now: float,
    reason: str = "",
    *,
    error: str = "",
    sources: Sequence[JobStatus] | None = None,
    fields: dict[str, str] | None = None,
) -> Transition:
    """Move to `target` from wherever the table allows it, or only from `sources`.

    now: Unix time, seconds. reason: for people, in the event. error: JSON. fields: of the job's hash.
    """
    event = encode_event(StatusChanged(at=now, status=target, reason=reason))
    allowed = ",".join(sources_of(target) if sources is None else sources)
    pairs = [item for pair in (fields or {}).items() for item in pair]
    return Transition([keys.job(job_id), keys.events(job_id)], [target.value, allowed, repr(now), event, error, *pairs])


def error_field(code: str, detail: str) -> str:
    """The job hash's `error`."""
    return json.dumps({"code": code, "detail": detail})


def failing(job_id: str, code: str, detail: str, now: float) -> Transition:
    """End a live job with its error."""
    return transition(job_id, JobStatus.FAILED, now, detail, error=error_field(code, detail))


def pausing(job_id: str, reason: PauseReason, detail: str, now: float) -> Transition:
    """Ask a running job to pause. `detail` tells its user what must change before it is resumed.

    Any service may ask. The controller sets it to paused when nobody works on it any more; whoever does, stops at
    its next clean point as soon as it sees that the job is not running.
    """
    fields = {"pause_reason": reason, "pause_detail": detail}
    return transition(job_id, JobStatus.PAUSING, now, f"{reason}: {detail}", fields=fields)
