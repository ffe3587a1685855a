"""The compose system, built and brought up once for these tests, taken down with its volumes at the end."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..stacks import REPOSITORY
from .system import ComposeSystem, environment_file


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeSystem]:
    """All services of the cpu profile, healthy. Grafana is among them where its image can be had."""
    if shutil.which("docker") is None:
        pytest.fail("docker is not installed; `make test` runs everything else")
    directory: Path = tmp_path_factory.mktemp("compose")
    system = ComposeSystem(REPOSITORY, environment_file(directory))
    try:
        system.build()
        system.up()
        yield system
        (REPOSITORY / ".socratic").mkdir(exist_ok=True)
        (REPOSITORY / ".socratic/compose-test.log").write_text(system.compose("logs", "--no-color"))
    finally:
        system.remove()
