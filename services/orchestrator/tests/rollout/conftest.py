"""A student, an engine and a gateway for rollouts."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis
from contracts.jobs import JobSpec
from orchestrator.questions import load_questions
from orchestrator.rollout.chat import StudentChat
from orchestrator.rollout.episode import Parties
from orchestrator.rollout.plan import JobContext
from orchestrator.rollout.replicas import Replicas
from orchestrator.rollout.student import Student
from orchestrator.rollout.teacher import Teacher
from orchestrator.rollout.verification import Verification
from servicekit.http_client import Connections

from .board import Board
from .makers import byte_tokenizer, make_spec, proved, save_student, word_tokenizer
from .standins import Engine, Gateway

Context = Callable[[JobSpec], JobContext]


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `student` (words) and `bytes`."""
    root = tmp_path_factory.mktemp("models")
    save_student(word_tokenizer(), root / "student")
    save_student(byte_tokenizer(), root / "bytes")
    return root


@pytest.fixture(params=["student", "bytes"])
def any_chat(request: pytest.FixtureRequest, model_root: Path) -> StudentChat:
    """The chat of each kind of student in turn."""
    return StudentChat.load(model_root / request.param)


@pytest.fixture
def chat(model_root: Path) -> StudentChat:
    return StudentChat.load(model_root / "student")


@pytest.fixture
def job(chat: StudentChat) -> Context:
    """A job's context: job(make_spec(...))."""

    def make(spec: JobSpec) -> JobContext:
        known = load_questions(spec.task, [])
        questions = {question.id: question for question in [*known.train, *known.test]}
        return JobContext("job-1", spec, known.task, questions, chat)

    return make


@pytest.fixture
def wrong(chat: StudentChat) -> list[int]:
    """The tokens of an answer that is never right."""
    return [*chat.tokenizer.encode("<answer> Z </answer>"), chat.end_of_turn_id]


@pytest.fixture
async def engine(wrong: list[int]) -> AsyncIterator[Engine]:
    standin = Engine(lambda context: wrong)
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    standin = Gateway()
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    async with Connections() as opened:
        yield opened


@pytest.fixture
def replicas(engine: Engine) -> Replicas:
    """The engine, always proved anew."""
    return Replicas([engine.url], proved([engine.url]))


@pytest.fixture
def board(redis_url: str, engine: Engine) -> Iterator[Board]:
    """A job in Redis whose engine is proved."""
    client = redis.Redis.from_url(redis_url)
    opened = Board(client)
    opened.prove(engine.url)
    yield opened
    client.close()


@pytest.fixture
def spec() -> JobSpec:
    return make_spec()


@pytest.fixture
async def verification() -> AsyncIterator[Verification]:
    opened = Verification([])
    yield opened
    await opened.close()


@pytest.fixture
def parties(connections: Connections, replicas: Replicas, gateway: Gateway, verification: Verification) -> Parties:
    return Parties(Student(connections, replicas), Teacher(connections, gateway.url), verification)
