"""A job's specification as it is stored: written by the version that accepted the job, read by whichever runs now."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.errors import Problem
from contracts.jobs import JobSpec, TaskSpec

# Why such a job cannot be resumed (409), and how it ends when it holds the engine.
SPEC_UNREADABLE = "spec_unreadable"
MOST_TOLD = 3
CLONE = "clone the job with overrides that mend this"
SUBMIT = "submit the job anew"

_object: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class UnreadableSpec(BaseModel):
    """A stored specification that this version does not accept. None of its settings is guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    detail: str = Field(description="What this version does not accept, and what can be done.")
    errors: list[dict[str, str]] = Field(description="`field` and `message` of each; the field `spec` is the whole.")
    stored: str = Field(description="The JSON as it is stored.")

    def as_problem(self) -> Problem:
        """Why nothing can be done that needs the settings."""
        return Problem(409, SPEC_UNREADABLE, self.detail, field=self.errors[0]["field"], errors=self.errors)

    def content(self) -> dict[str, Any] | None:
        """What is stored, unchecked; None where it is no JSON object."""
        return object_in(self.stored)

    def text_at(self, *path: str) -> str | None:
        """A text in it, for people and for comparison; None where there is none at this place."""
        found: Any = self.content()
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, str) else None

    def task(self) -> TaskSpec | None:
        """What is asked, where at least that is what this version accepts: for the text of past episodes' questions."""
        try:
            return TaskSpec.model_validate((self.content() or {}).get("task"))
        except ValidationError:
            return None


def read_spec(stored: bytes) -> JobSpec | UnreadableSpec:
    """The specification; never with a default in place of what this version does not accept."""
    try:
        return JobSpec.model_validate_json(stored)
    except ValidationError as error:
        errors = [
            {"field": ".".join(map(str, item["loc"])) or "spec", "message": item["msg"]} for item in error.errors()
        ]
    text = stored.decode(errors="replace")
    fix = SUBMIT if object_in(text) is None else CLONE
    return UnreadableSpec(
        detail=f"{told(errors)}. Go back to the version that did, or {fix}.", errors=errors, stored=text
    )


def told(errors: list[dict[str, str]]) -> str:
    """The first few, foremost: lists cut it off."""
    some = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:MOST_TOLD])
    more = f"; and {len(errors) - MOST_TOLD} more" if len(errors) > MOST_TOLD else ""
    return f"Stored spec: {some}{more}. This version does not accept that"


def object_in(text: str) -> dict[str, Any] | None:
    """None where it is no JSON object."""
    try:
        return _object.validate_json(text)
    except ValidationError:
        return None
