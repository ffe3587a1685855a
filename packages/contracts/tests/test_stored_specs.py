"""What was accepted by another version: read as it is, or not at all."""

import json

import pytest
from contracts.clones import CloneSpec
from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.stored_specs import UnreadableSpec, read_spec
from pydantic import ValidationError

GOOD = {
    "name": "old",
    "student": {"model": "student"},
    "task": {"name": "materials"},
    "training": {"steps": 2},
}
UNREADABLE = {
    "bound": ({**GOOD, "priority": 101}, "priority"),
    "unknown": ({**GOOD, "rollout": {"warmth": 1}}, "rollout.warmth"),
    "missing": ({**GOOD, "training": {}}, "training.steps"),
    "together": ({**GOOD, "rollout": {"prompts_per_step": 65536, "group_size": 1024}}, "spec"),
}


def unreadable(content: object) -> UnreadableSpec:
    found = read_spec(json.dumps(content).encode())
    assert isinstance(found, UnreadableSpec)
    return found


def test_a_spec_of_this_version_is_itself() -> None:
    spec = JobSpec.model_validate(GOOD)
    assert read_spec(spec.model_dump_json().encode()) == spec


@pytest.mark.parametrize("kind", UNREADABLE)
def test_another_ones_names_the_field_and_the_fix(kind: str) -> None:
    content, field = UNREADABLE[kind]
    found = unreadable(content)
    problem = found.as_problem()
    assert (problem.status, problem.code, problem.field) == (409, "spec_unreadable", field)
    assert found.detail.startswith(f"Stored spec: {field}: {problem.errors[0]['message']}")
    assert "clone the job with overrides" in found.detail
    assert json.loads(found.stored) == content
    assert (found.text_at("name"), found.text_at("student", "model")) == ("old", "student")


@pytest.mark.parametrize("stored", [b"", b"{", b"[1]", b"\xff\xfe", json.dumps({**GOOD, "name": "\ud800"}).encode()])
def test_what_is_no_object_can_only_be_submitted_anew(stored: bytes) -> None:
    found = read_spec(stored)
    assert isinstance(found, UnreadableSpec)
    assert "submit the job anew" in found.detail
    assert found.text_at("name") is None
    found.model_dump_json()  # is text, whatever was stored
    with pytest.raises(Problem, match="Stored spec: spec: "):
        CloneSpec(source_job_id="old").spec_from(found)


def test_names_of_other_kinds_are_none() -> None:
    found = unreadable({"name": 3, "student": ["model"]})
    assert (found.text_at("name"), found.text_at("student", "model")) == (None, None)


def test_many_errors_are_counted() -> None:
    found = unreadable({**GOOD, **{f"gone_{number}": 1 for number in range(9)}})
    assert len(found.errors) == 9
    assert "; and 6 more. " in found.detail
    assert "gone_3" not in found.detail


def test_a_clone_must_mend_it_and_nothing_else_changes() -> None:
    found = unreadable({**GOOD, "seed": 7, "rollout": {"warmth": 1, "group_size": 4}})
    with pytest.raises(ValidationError, match=r"rollout\.warmth"):
        CloneSpec(source_job_id="old", overrides={"name": "new"}).spec_from(found)
    mended = CloneSpec(source_job_id="old", overrides={"rollout": {"warmth": None}}).spec_from(found)
    assert mended == JobSpec.model_validate({**GOOD, "seed": 7, "rollout": {"group_size": 4}})
