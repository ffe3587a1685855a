"""Each machine adds its share of episodes in flight, and no more, until the engine is full.

By Little's law that is throughput: episodes in flight over the time of an answer, which here is as long as we like.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import redis
from aiohttp import web
from contracts import keys
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, ManifestEntry, chunk_count, episode_id
from orchestrator.rollout.dispatch import ChunkSender
from socratic.stack.redis import redis_executable
from tokenizers import Tokenizer

from conftest import free_port
from services.orchestrator.tests.rollout.board import Board
from services.orchestrator.tests.rollout.standins import Engine

from ..stacks import REPOSITORY
from .machines import REDIS_ADDRESS, SERVICES_ADDRESS, Machine, machines, may_make_machines
from .test_machines import answers, until

EPISODES_EACH, ENGINE_SLOTS = 8, 20
QUESTIONS = 192
PATIENCE_SECONDS = 120.0
# Long enough for a worker to send what it must not; a worker that keeps its bound is not waited for.
OVERSTEP_SECONDS = 1.0
SPEC = JobSpec.model_validate(
    {
        "name": "machines",
        "student": {"model": "materials-base"},
        "task": {"name": "materials", "options": {"train_questions": QUESTIONS, "test_questions": 40}},
        "rollout": {"max_attempts": 1, "max_answer_tokens": 8},
        "training": {"steps": 1},
    }
)


class FullEngine(Engine):
    """Works on ENGINE_SLOTS answers at once; further requests queue."""

    def __init__(self, speak: Callable[[list[int]], list[int]]) -> None:
        super().__init__(speak)
        self.slots = asyncio.Semaphore(ENGINE_SLOTS)
        self.serving = self.arrived = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post(self.path, self.serve)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, SERVICES_ADDRESS, 0)
        await site.start()
        self.url = f"http://{SERVICES_ADDRESS}:{self.runner.addresses[0][1]}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.arrived += 1
        async with self.slots:
            self.serving += 1
            try:
                return await self._handle(request)
            finally:
                self.serving -= 1


@asynccontextmanager
async def full_engine() -> AsyncIterator[FullEngine]:
    tokenizer = Tokenizer.from_file(str(REPOSITORY / "models/materials-base/tokenizer.json"))
    engine = FullEngine(lambda _: [tokenizer.token_to_id("<answer>"), tokenizer.token_to_id("<end>")])
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@contextmanager
def redis_on_bridge(home: Path) -> Iterator[str]:
    """URL of an empty server."""
    port = free_port()
    command = [redis_executable(), "--port", str(port), "--bind", REDIS_ADDRESS, "--save", "", "--dir", str(home)]
    with (home / "redis.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"redis://{REDIS_ADDRESS}:{port}/0"
    try:
        with redis.Redis.from_url(url) as client:
            until(lambda: answers(client), "Redis")
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


class Workers:
    """One on each machine."""

    def __init__(self, home: Path, redis_url: str, engine_url: str) -> None:
        self.home = home
        self.running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "ORCHESTRATOR_REDIS_URL": redis_url,
            "ORCHESTRATOR_STUDENT_URLS": json.dumps([engine_url]),
            "ORCHESTRATOR_MODEL_ROOTS": json.dumps([str(REPOSITORY / "models")]),
            "ORCHESTRATOR_WORKER_EPISODES": str(EPISODES_EACH),
            "ORCHESTRATOR_WORKER_PORT": "0",
        }

    def start(self, machine: Machine) -> None:
        with (self.home / f"{machine.name}.log").open("w") as log:
            command = machine.command([sys.executable, "-m", "orchestrator.worker"])
            self.running.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log))

    def stop(self) -> None:
        for worker in self.running:
            worker.kill()
            worker.wait()


def batch() -> Manifest:
    entries = []
    for number in range(QUESTIONS):
        question = f"materials-train-{number}"
        name = episode_id("job-1", "train", 1, question, 0)
        entries.append(ManifestEntry(episode_id=name, question_id=question, sample=0, seed=number))
    return Manifest(job_id="job-1", purpose="train", step=1, policy_version=0, entries=entries)


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
async def test_each_machine_adds_its_episodes_until_the_engine_is_full(tmp_path: Path) -> None:
    if not may_make_machines():
        pytest.skip("network namespaces need root and iproute2; as root: pytest tests/faults/test_more_machines.py")
    with machines(3) as hosts, redis_on_bridge(tmp_path) as redis_url:
        async with full_engine() as engine:
            client, sender = redis.Redis.from_url(redis_url), ChunkSender(redis_url)
            board, workers = Board(client), Workers(tmp_path, redis_url, engine.url)
            engine.talking.clear()

            async def reach(what: Callable[[], bool]) -> None:
                """Hand out what nobody has taken, as the controller does, until it is so."""
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not what():
                        for chunk in range(chunk_count(batch())):
                            if not client.exists(keys.chunk_lease("job-1", "train", 1, chunk)):
                                sender.send("job-1", "train", 1, chunk)
                        await asyncio.sleep(0.5)

            try:
                board.post(SPEC, batch())
                board.prove(engine.url)
                for machine, serving, arrived in zip(hosts, (8, 16, ENGINE_SLOTS), (8, 16, 24), strict=True):
                    workers.start(machine)
                    await reach(lambda wanted=arrived: engine.arrived >= wanted)  # type: ignore[misc]
                    await asyncio.sleep(OVERSTEP_SECONDS)
                    assert (engine.serving, engine.arrived) == (serving, arrived)
                engine.talking.set()
                await reach(lambda: len(board.episodes()) >= QUESTIONS)
                assert set(board.appended().values()) == {1}
            finally:
                workers.stop()
                sender.close()
                client.close()
