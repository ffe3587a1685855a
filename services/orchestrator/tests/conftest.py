"""A running orchestrator (real HTTP, real Redis), stand-ins for its neighbours, and players of the other processes."""

import copy
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
import uvicorn
from contracts import keys
from contracts.episodes import Attempt, Episode, Failure, VersionSpan, encode_episode
from contracts.jobs import JobSpec
from contracts.manifests import ManifestEntry, decode_manifest
from contracts.scripts import APPEND_EPISODES
from orchestrator.app import build_app
from orchestrator.settings import OrchestratorSettings
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

BASE_STUDENT = Path(__file__).parents[3] / "models" / "materials-base"
# A machine under full load needs seconds for what normally takes milliseconds.
PATIENCE_SECONDS = 20.0
QUEUE_KEY = "socratic:celery:rollout"
SERVICE_KEY, ENGINE_KEY = "a-key-of-all-services", "a-key-of-the-engine"

BODY: dict[str, Any] = {
    "name": "trial",
    "seed": 3,
    "student": {"model": "student"},
    "task": {"name": "materials", "options": {"train_questions": 20, "test_questions": 6}},
    "teacher": {"provider": "retry"},
    "rollout": {"prompts_per_step": 4, "group_size": 2, "max_answer_tokens": 24},
    "training": {"steps": 2},
    "evaluation": {"every": 2, "questions": 6},
}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The body with dotted fields replaced; None removes one."""
    body = copy.deepcopy(BODY)
    for path, value in changes.items():
        *parents, last = path.split(".")
        part = body
        for name in parents:
            part = part.setdefault(name, {})
        if value is None:
            part.pop(last, None)
        else:
            part[last] = value
    return body


@pytest.fixture
def job_body() -> Callable[..., dict[str, Any]]:
    """Bodies of POST /v1/jobs: job_body() or job_body({"rollout.max_attempts": -1})."""
    return lambda changes=None: changed(changes or {})


@pytest.fixture(scope="session")
def job_spec() -> Callable[..., JobSpec]:
    """The same as a JobSpec."""
    return lambda changes=None: JobSpec.model_validate(changed(changes or {}))


@pytest.fixture
def model_root(tmp_path: Path) -> Path:
    """A model root with the directory `student`: everything of the shipped base but its weights."""
    root = tmp_path / "models"
    shutil.copytree(BASE_STUDENT, root / "student", ignore=shutil.ignore_patterns("*.safetensors"))
    return root


@pytest.fixture
def neighbours(httpserver: HTTPServer, model_root: Path) -> HTTPServer:
    """Gateway and engine, both well."""
    teachers = [
        {"provider": "retry", "available": True, "detail": ""},
        {"provider": "tutor", "available": True, "detail": ""},
        {"provider": "openai_compatible", "available": False, "detail": "no key is set"},
    ]
    httpserver.expect_request("/gateway/v1/teachers").respond_with_json({"object": "list", "data": teachers})
    forecast = {"object": "forecast", "requests": {"low": 1, "high": 2}, "tokens": {"low": 3, "high": 4}, "usd": None}
    httpserver.expect_request("/gateway/v1/forecast").respond_with_json(forecast)
    served = {"model_path": str(model_root / "student"), "weight_version": "default"}
    httpserver.expect_request("/engine/model_info").respond_with_json(served)
    return httpserver


@pytest.fixture
def settings(redis_url: str, neighbours: HTTPServer, model_root: Path, tmp_path: Path) -> OrchestratorSettings:
    """Settings of an orchestrator between the stand-ins."""
    return OrchestratorSettings(
        redis_url=redis_url,
        student_urls=[neighbours.url_for("/engine")],
        gateway_url=neighbours.url_for("/gateway"),
        model_roots=[model_root],
        data_roots=[tmp_path],
        data_root=tmp_path / "data",
    )


@contextmanager
def serving(settings: OrchestratorSettings) -> Iterator[httpx2.Client]:
    """A client of an orchestrator that runs in a thread."""
    server = uvicorn.Server(uvicorn.Config(build_app(settings), port=0, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)


@pytest.fixture
def api(settings: OrchestratorSettings) -> Iterator[httpx2.Client]:
    """A client of a running orchestrator, controller included."""
    with serving(settings) as client:
        yield client


@pytest.fixture
def keyed_api(settings: OrchestratorSettings) -> Iterator[httpx2.Client]:
    """The same in a system with keys, which the client has."""
    keyed = {"service_key": SecretStr(SERVICE_KEY), "student_api_key": SecretStr(ENGINE_KEY)}
    with serving(settings.model_copy(update=keyed)) as client:
        client.headers["Authorization"] = f"Bearer {SERVICE_KEY}"
        yield client


@pytest.fixture
def api_without_redis(settings: OrchestratorSettings) -> Iterator[httpx2.Client]:
    """The same where nobody listens at the address of Redis."""
    with serving(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})) as client:
        yield client


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    """The test's own connection to Redis."""
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def eventually(condition: Callable[[], Any]) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


def spoiled(stored: str, kind: str) -> str:
    """The spec as a version could have accepted it that has other bounds, more fields or fewer of them."""
    content = json.loads(stored)
    if kind == "bound":
        content["rollout"]["prompts_per_step"] = 65537
    elif kind == "unknown":
        content["rollout"]["warmth"] = 1
    elif kind == "missing":
        del content["training"]["steps"]
    return json.dumps(content)[:-9] if kind == "broken" else json.dumps(content)


@pytest.fixture
def spoil(store: redis.Redis) -> Callable[..., None]:
    """spoil(job_id) or spoil(job_id, "unknown" | "missing" | "broken"): this version cannot read its spec any more."""

    def change(job_id: str, kind: str = "bound") -> None:
        stored = store.hget(keys.job(job_id), "spec").decode()
        store.hset(keys.job(job_id), "spec", spoiled(stored, kind))

    return change


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[[Callable[[], Any]], Any]:
    """Waits until a condition holds."""
    return eventually


def played_episode(job_id: str, purpose: Any, step: int, entry: ManifestEntry, answers: list[float]) -> Episode:
    """An episode as a worker would append it; `answers` are the raw rewards of its attempts, [] is a failure."""
    attempts = [
        Attempt(
            token_ids=[5, 4],
            logprobs=[-0.5, -0.1],
            version_spans=[VersionSpan(version=max(0, step - 1), start=0, end=2)],
            text="<answer> A </answer>",
            outcome="correct" if reward else "wrong",
            reward=reward,
            finish_reason="stop",
            latency_seconds=0.1,
        )
        for reward in answers
    ]
    return Episode(
        episode_id=entry.episode_id,
        job_id=job_id,
        purpose=purpose,
        step=step,
        question_id=entry.question_id,
        sample=entry.sample,
        prompt_token_ids=[1, 2],
        attempts=attempts,
        guidances=[],
        failure=None if answers else Failure(code="teacher_unreachable", detail="nobody there"),
        started_at=100.0,
        finished_at=101.0,
    )


class Players:
    """The trainer and the rollout workers, played by hand through Redis as the protocol says."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def heartbeat(self, service: str, instance: str, job_id: str | None = None) -> None:
        """A process is alive for a minute, and works on this job."""
        self.client.set(keys.heartbeat(service, instance), json.dumps({"job_id": job_id}), ex=60)

    def publish(self, job_id: str, version: int) -> None:
        """The trainer proved a policy version."""
        seat = self.client.hget(keys.job(job_id), "seat") or 1
        self.client.hset(keys.job(job_id), mapping={"policy_version": version, "step": version, "served_seat": seat})

    def manifest(self, job_id: str, purpose: Any, step: int) -> Any:
        """The manifest, once it is open."""
        data = eventually(lambda: self.client.get(keys.manifest(job_id, purpose, step)))
        return decode_manifest(data)

    def roll_out(
        self, job_id: str, purpose: Any, step: int, answers: list[float] | None = None, limit: int | None = None
    ) -> None:
        """A worker appends (the first `limit`) episodes of a manifest."""
        append = self.client.register_script(APPEND_EPISODES)
        for entry in self.manifest(job_id, purpose, step).entries[:limit]:
            episode = played_episode(job_id, purpose, step, entry, [1.0] if answers is None else answers)
            names = [keys.index(job_id, purpose, step), keys.stream(job_id, purpose)]
            append(keys=names, args=[entry.episode_id, keys.EPISODE_FIELD, encode_episode(episode)])

    def queued_chunks(self) -> int:
        """Messages in the workers' queue."""
        return int(self.client.llen(QUEUE_KEY))


@pytest.fixture
def players(store: redis.Redis) -> Players:
    """A live trainer and a live worker."""
    company = Players(store)
    company.heartbeat("trainer", "rank0")
    company.heartbeat("worker", "here-1")
    return company


@pytest.fixture
def play() -> Callable[..., Episode]:
    """Makes episodes: play(job_id, purpose, step, entry, rewards)."""
    return played_episode
