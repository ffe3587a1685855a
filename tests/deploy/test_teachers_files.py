"""The teachers files that we ship are ones that the gateway reads."""

from pathlib import Path

import pytest
from teacher_gateway.providers.registry import check_kinds
from teacher_gateway.teachers_file import load_teachers

from ..stacks import REPOSITORY

PATHS = sorted((REPOSITORY / "deploy").rglob("teachers.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_the_gateway_reads_it(path: Path) -> None:
    file = load_teachers(path)
    check_kinds(file)
    assert {"frontier", "self"} <= set(file.teachers)
