"""Names in Redis and names of policy versions."""

import inspect
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from contracts import keys
from contracts.policies import checkpoint_directory, engine_version, parse_engine_version, policy_directory
from hypothesis import given
from hypothesis import strategies as st

KEYS = {name: value for name, value in vars(keys).items() if isinstance(value, FunctionType)}
ARGUMENTS: dict[str, list[Any]] = {
    "job_id": ["job-1", "job-2"],
    "purpose": ["train", "eval"],
    "step": [1, 11],
    "chunk": [1, 11],
    "cassette": ["a", "b"],
    "key": ["a", "b"],
    "name": ["a", "b"],
    "provider": ["a", "b"],
    "scope": ["job:1", "provider:1"],
    "service": ["trainer", "worker"],
    "instance": ["rank0", "rank1"],
}


def all_calls() -> list[str]:
    """Each key function with every combination of two values per argument."""
    made = []
    for function in KEYS.values():
        combinations: list[dict[str, Any]] = [{}]
        for name in inspect.signature(function).parameters:
            combinations = [{**done, name: value} for done in combinations for value in ARGUMENTS[name]]
        made += [function(**combination) for combination in combinations]
    return made


def test_no_two_things_share_a_key() -> None:
    made = all_calls()
    assert len(set(made)) == len(made)
    assert all(key.startswith("socratic:") for key in made)


def test_every_key_is_in_the_table() -> None:
    assert keys.__doc__
    assert all(f"{name}(" in keys.__doc__ for name in KEYS)


@given(st.text(), st.integers(0, 10**9))
def test_an_engine_version_is_read_back(job_id: str, version: int) -> None:
    assert parse_engine_version(engine_version(job_id, version)) == (job_id, version)


@pytest.mark.parametrize("text", ["", "default", "7", "job:", "job:-1", "job:1.5", "job:x", "job:²"])
def test_other_weights_are_no_policy_version(text: str) -> None:
    assert parse_engine_version(text) is None


def test_versions_sort_by_name_as_by_number() -> None:
    root = Path("/data")
    for directory in (policy_directory, checkpoint_directory):
        names = [directory(root, "job-1", number).name for number in (0, 9, 10, 99, 100_000)]
        assert names == sorted(names)
        assert directory(root, "job-1", 1).is_relative_to(root / "jobs" / "job-1")
