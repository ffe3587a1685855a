"""The real worker process: `python -m orchestrator.worker`, killed, told to stop, and served twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from contracts import keys
from contracts.manifests import chunk_count
from orchestrator.rollout.dispatch import ChunkSender, queue_key
from orchestrator.worker.celery_worker import SPARE_CHUNKS

from tests.faults.proxy import Proxy

from .board import Board
from .makers import make_manifest, make_spec
from .standins import Engine, Gateway

# Importing transformers alone takes seconds on a loaded machine.
PATIENCE_SECONDS = 60.0
# Five seconds as it is set up, the rest is for a busy machine; kombu's own values take 26 s at least.
DEAF_SECONDS = 20.0
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def sender(redis_url: str) -> Iterator[ChunkSender]:
    opened = ChunkSender(redis_url)
    yield opened
    opened.close()


@pytest.fixture
async def start(
    redis_url: str, model_root: Path, engine: Engine, gateway: Gateway, tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts worker processes; their logs are in tmp_path."""
    workers: list[subprocess.Popen[bytes]] = []
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "ORCHESTRATOR_STUDENT_URLS": json.dumps([engine.url]),
        "ORCHESTRATOR_GATEWAY_URL": gateway.url,
        "ORCHESTRATOR_MODEL_ROOTS": json.dumps([str(model_root)]),
        "ORCHESTRATOR_WORKER_PORT": "0",
    }

    def launch(redis_url: str = redis_url, **settings: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"worker-{len(workers)}.log").open("w") as log:
            command = [sys.executable, "-m", "orchestrator.worker"]
            own = {**environment, "ORCHESTRATOR_REDIS_URL": redis_url, **settings}
            workers.append(subprocess.Popen(command, env=own, stdout=log, stderr=log))
        return workers[-1]

    yield launch
    for worker in workers:
        worker.kill()
        worker.wait()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - there is nothing to be notified by
            await asyncio.sleep(0.02)


def heartbeats(board: Board) -> list[bytes]:
    return list(board.client.scan_iter(match=keys.heartbeat("worker", "*")))


async def test_a_killed_workers_chunk_is_finished_by_another(
    start: Start, board: Board, engine: Engine, sender: ChunkSender
) -> None:
    manifest = make_manifest(episodes=40)
    board.post(make_spec(), manifest)
    hold_after(engine, requests=50)
    victim = start()
    for chunk in range(chunk_count(manifest)):
        sender.send("job-1", "train", 1, chunk)
    await until(lambda: len(engine.seen) == 80 and len(board.episodes()) > 0)
    victim.kill()
    victim.wait()
    before = board.appended()
    assert 0 < len(before) < 40
    assert 0 < board.lease_milliseconds() <= 6000, "the killed worker's lease must end by itself"
    board.free(0)
    board.free(1)
    engine.talking.set()
    start()
    for chunk in range(chunk_count(manifest)):
        sender.send("job-1", "train", 1, chunk)
        sender.send("job-1", "train", 1, chunk)
    await until(lambda: len(board.episodes()) >= 40 and board.client.llen("socratic:celery:rollout") == 0)
    await until(lambda: board.lease(0) is None and board.lease(1) is None)
    assert board.appended() == dict.fromkeys([entry.episode_id for entry in manifest.entries], 1)


def hold_after(engine: Engine, requests: int) -> None:
    """The engine answers so many requests, then keeps silent until it is told to talk."""
    answer = engine.answer

    def counted(body: dict[str, Any]) -> web.Response:
        if len(engine.seen) == requests:
            engine.talking.clear()
        return answer(body)

    engine.answer = counted  # type: ignore[method-assign]


async def test_sigterm_gives_the_chunk_back_at_once(
    start: Start, board: Board, engine: Engine, sender: ChunkSender
) -> None:
    board.post(make_spec(), make_manifest(episodes=3))
    engine.talking.clear()
    worker = start()
    sender.send("job-1", "train", 1, 0)
    await until(lambda: len(engine.seen) == 3 and heartbeats(board))
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, PATIENCE_SECONDS) == 0
    assert (board.lease(), heartbeats(board), board.episodes()) == (None, [], [])
    engine.talking.set()


async def test_a_worker_leaves_to_others_what_it_cannot_hold(
    start: Start, board: Board, engine: Engine, sender: ChunkSender
) -> None:
    """Room for one chunk: it and the spare ones are begun, as many are fetched, the others stay in the queue."""
    board.post(make_spec(), make_manifest(episodes=32 * 12))
    engine.talking.clear()
    for chunk in range(12):
        sender.send("job-1", "train", 1, chunk)
    start(ORCHESTRATOR_WORKER_EPISODES="32")
    await until(lambda: len(engine.seen) == 32)
    await asyncio.sleep(1.0)
    assert board.client.llen(queue_key()) >= 12 - 2 * (1 + SPARE_CHUNKS)
    engine.talking.set()


async def test_a_worker_whose_connections_to_redis_died_without_a_word_soon_takes_chunks_again(
    start: Start, board: Board, sender: ChunkSender, redis_url: str
) -> None:
    board.post(make_spec(), make_manifest(episodes=40))
    with closing(Proxy(lambda: redis_url)) as proxy:
        start(f"redis://127.0.0.1:{proxy.port}/0")
        sender.send("job-1", "train", 1, 0)
        await until(lambda: len(board.episodes()) == 32 and board.lease() is None)
        proxy.set_mode("half_open")
        proxy.set_mode("pass")  # for new connections; the old ones stay silent
        async with asyncio.timeout(DEAF_SECONDS):
            while len(board.episodes()) < 40:
                sender.send("job-1", "train", 1, 1)  # Redis hands the first of them to the dead connection
                await asyncio.sleep(1.0)


async def test_metrics_and_heartbeat(start: Start, board: Board, sender: ChunkSender, tmp_path: Path) -> None:
    board.post(make_spec(), make_manifest(episodes=2))
    start()
    sender.send("job-1", "train", 1, 0)
    await until(lambda: len(board.episodes()) == 2 and heartbeats(board))
    started = json.loads((tmp_path / "worker-0.log").read_text().splitlines()[0])
    port = started["metrics_port"]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        text = await response.text()
    assert 'socratic_episodes_total{outcome="malformed",purpose="train"} 2.0' in text
    assert "socratic_episodes_in_flight 0.0" in text


async def test_a_worker_outlives_broken_connections(start: Start, board: Board, sender: ChunkSender) -> None:
    board.post(make_spec(), make_manifest(episodes=2))
    start()
    await until(lambda: heartbeats(board))
    for client in board.client.client_list():
        if int(client["id"]) != board.client.client_id():
            board.client.client_kill_filter(_id=client["id"])
    sender.send("job-1", "train", 1, 0)
    await until(lambda: len(board.episodes()) == 2)


def test_help_names_every_setting() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "orchestrator.worker", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    for name in ("REDIS_URL", "STUDENT_URLS", "GATEWAY_URL", "MODEL_ROOTS", "DATA_ROOTS", "WORKER_EPISODES"):
        assert f"ORCHESTRATOR_{name}" in shown.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_EPISODES", "many"),
        ("GATEWAY_URL", "127.0.0.1:8001"),
        ("GATEWAY_URL", "http://gateway:port"),
        ("GATEWAY_URL", "http://ann:hunter2@gateway"),
        ("STUDENT_URLS", '["ftp://127.0.0.1:30000"]'),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    environment = {**os.environ, f"ORCHESTRATOR_{name}": value}
    shown = subprocess.run(
        [sys.executable, "-m", "orchestrator.worker"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 2
    assert f"ORCHESTRATOR_{name}" in shown.stderr
    assert "hunter2" not in shown.stderr, "a value may hold a secret"
