"""The engine under test: our CPU engine, real SGLang (SGLANG_PYTHON), or one that already runs (ENGINE_URL).

An engine given by ENGINE_URL must serve the directory in ENGINE_MODEL, accept weights from directories beside it, and
have no keys; other tests of it may not run at the same time.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..stacks import REPOSITORY
from .engines import Engine, free_port, perturbed, start_cpu_engine, start_sglang


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights that are served first."""
    given = os.environ.get("ENGINE_MODEL")
    return Path(given) if given else REPOSITORY / "models/materials-base"


@pytest.fixture(scope="session")
def other_model(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights of the same shape."""
    return perturbed(model, tmp_path_factory.mktemp("weights") / "other")


@pytest.fixture(scope="session")
def running(model: Path, other_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    url, sglang = os.environ.get("ENGINE_URL"), os.environ.get("SGLANG_PYTHON")
    if url:
        given = Engine(url, model)
        yield given
        given.http.close()
        return
    log = tmp_path_factory.mktemp("engine") / "log"
    start = start_cpu_engine if sglang is None else start_sglang
    with start(model, free_port(), log) as engine:
        yield engine


@pytest.fixture
def engine(running: Engine, model: Path) -> Iterator[Engine]:
    """The engine with its first weights, whatever the test before did."""
    yield running
    if running.version != "default":
        running.update(model, "default")
