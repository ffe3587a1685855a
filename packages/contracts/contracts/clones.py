"""What POST /v1/jobs takes: a whole job, or another one's specification with what differs."""

import json
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from contracts.jobs import JobSpec
from contracts.spec import Spec
from contracts.stored_specs import UnreadableSpec


class CloneSpec(Spec):
    """A new job made from another one's specification."""

    source_job_id: str = Field(min_length=1, max_length=80, description="The job to start from; it may have ended.")
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        description="JSON merge patch (RFC 7396) of its spec: what differs, at the same places; null takes a field's "
        'default. Example: {"name": "longer", "training": {"steps": 200}}.',
    )

    def spec_from(self, source: JobSpec | UnreadableSpec) -> JobSpec:
        """The specification of the clone. Raises pydantic.ValidationError when the overrides do not fit or do not mend
        what this version cannot read, and a Problem for a source that is no JSON object."""
        merged = merge_patch(settings_of(source), self.overrides)
        return JobSpec.model_validate_json(json.dumps(merged), strict=True)


def settings_of(source: JobSpec | UnreadableSpec) -> dict[str, Any]:
    """As JSON. Raises a 409 Problem."""
    if isinstance(source, JobSpec):
        return source.model_dump(mode="json", exclude_unset=True)
    content = source.content()
    if content is None:
        raise source.as_problem()
    return content


def kind_of_request(body: Any) -> str:
    """A body that names a source is a clone, whatever else is wrong with it."""
    is_clone = isinstance(body, CloneSpec) or (isinstance(body, dict) and "source_job_id" in body)
    return "(clone)" if is_clone else "(job)"


# What POST /v1/jobs takes.
JobRequest = Annotated[
    Annotated[JobSpec, Tag("(job)")] | Annotated[CloneSpec, Tag("(clone)")], Discriminator(kind_of_request)
]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
