"""Students and engines that end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from .local import LocalEngine
from .oracle import CONFIGS, make_student

torch.set_num_threads(1)
StartEngine = Callable[..., LocalEngine]


@pytest.fixture(scope="session", params=sorted(CONFIGS))
def any_student(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("students") / request.param, request.param, seed=0)


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("roots") / "first", "qwen3", seed=0)


@pytest.fixture(scope="session")
def other_student(student: Path) -> Path:
    """The same shape with other weights, in the same root."""
    return make_student(student.parent / "second", "qwen3", seed=1)


@pytest.fixture
def start_engine() -> Iterator[StartEngine]:
    """Call with a model directory; returns a running engine."""
    engines: list[LocalEngine] = []

    def start(directory: Path, **options: object) -> LocalEngine:
        engines.append(LocalEngine(directory, **options))  # type: ignore[arg-type]
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()
