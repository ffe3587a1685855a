"""What lives on a worker's event loop, put together as the process does it: how much at once, and with which keys."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from orchestrator.rollout.store import Chunk
from orchestrator.worker.episodes import Episodes
from orchestrator.worker.settings import WorkerSettings
from prometheus_client import CollectorRegistry

from .board import Board
from .makers import make_manifest, make_spec
from .standins import Engine, Gateway, StandIn

IN_FLIGHT = 3
SERVICE_KEY, ENGINE_KEY = "a-key-of-all-services", "a-key-of-the-engine"


@pytest.fixture
async def episodes(redis_url: str, model_root: Path, engine: Engine, gateway: Gateway) -> AsyncIterator[Episodes]:
    settings = WorkerSettings(
        redis_url=redis_url,
        student_urls=[engine.url],
        student_api_key=ENGINE_KEY,
        gateway_url=gateway.url,
        service_key=SERVICE_KEY,
        model_roots=[model_root],
        worker_episodes=IN_FLIGHT,
    )
    opened = Episodes(settings, CollectorRegistry())
    await opened.open()
    yield opened
    await opened.close()


async def test_the_setting_bounds_the_episodes_in_flight_over_all_chunks(
    episodes: Episodes, board: Board, engine: Engine
) -> None:
    board.post(make_spec(), make_manifest(episodes=40))
    engine.talking.clear()
    running = [asyncio.create_task(episodes.run(Chunk("job-1", "train", 1, number))) for number in (0, 1)]
    async with asyncio.timeout(20):
        while len(engine.seen) < IN_FLIGHT:  # noqa: ASYNC110 - there is nothing to be notified by
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(engine.seen) == IN_FLIGHT
    engine.talking.set()
    await asyncio.gather(*running)
    assert len(board.episodes()) == 40


async def test_engine_and_gateway_are_asked_with_their_keys(
    episodes: Episodes, board: Board, engine: Engine, gateway: Gateway
) -> None:
    board.post(make_spec(), make_manifest())
    shown: dict[str, str | None] = {}

    def note(party: StandIn) -> None:
        def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            shown[party.path] = request.headers.get("Authorization")
            return party.answer(body)

        party.faults.append(answer)

    note(engine)
    note(gateway)
    await episodes.run(Chunk("job-1", "train", 1, 0))
    assert shown == {engine.path: f"Bearer {ENGINE_KEY}", gateway.path: f"Bearer {SERVICE_KEY}"}
