"""One system for every test of the API from outside."""

from collections.abc import Iterator

import pytest

from .system import System, running_system


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("api")) as system:
        yield system
