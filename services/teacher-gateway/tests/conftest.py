"""The gateway in front of scripted teachers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx2
import pytest
from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings

from .processes import STOP_SECONDS, start_gateway_process
from .scripted import ScriptedTeacher

StartTeacher = Callable[..., Awaitable[ScriptedTeacher]]
StartGateway = Callable[..., Awaitable[httpx2.AsyncClient]]
StartProcess = Callable[..., Popen[bytes]]


@pytest.fixture
async def start_teacher() -> AsyncIterator[StartTeacher]:
    """Call with the script; returns the running teacher."""
    teachers: list[ScriptedTeacher] = []

    async def start(*script: bytes) -> ScriptedTeacher:
        teachers.append(ScriptedTeacher(script))
        await teachers[-1].start()
        return teachers[-1]

    yield start
    for teacher in teachers:
        await teacher.stop()


@pytest.fixture
async def start_gateway() -> AsyncIterator[StartGateway]:
    """Call with settings, and an environment if the teachers file names one; returns a client of the gateway's app."""
    async with AsyncExitStack() as stack:

        async def start(environment: Mapping[str, str] | None = None, **settings: Any) -> httpx2.AsyncClient:
            app = create_app(GatewaySettings(**settings), environment)
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")
            return await stack.enter_async_context(client)

        yield start


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Call with port and settings; what still runs after the test is killed. The log of the n-th is gateway-n.log."""
    processes: list[Popen[bytes]] = []

    def start(port: int, **settings: str) -> Popen[bytes]:
        processes.append(start_gateway_process(port, tmp_path / f"gateway-{len(processes)}.log", settings))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait(STOP_SECONDS)
