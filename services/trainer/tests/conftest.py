"""A tiny student, an engine that serves it, and a Redis with a job."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import torch
from transformers.utils import logging

from .makers import make_student
from .standin_engine import StandInEngine

torch.set_num_threads(1)
logging.disable_progress_bar()


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("students") / "tiny")


@pytest.fixture
def engine(student: Path) -> Iterator[StandInEngine]:
    standin = StandInEngine(student)
    yield standin
    standin.stop()


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    connection = redis.Redis.from_url(redis_url)
    yield connection
    connection.close()
