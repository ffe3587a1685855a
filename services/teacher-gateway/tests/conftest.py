"""The gateway in front of scripted teachers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings

from .scripted import ScriptedTeacher

StartTeacher = Callable[..., Awaitable[ScriptedTeacher]]
StartGateway = Callable[..., Awaitable[httpx2.AsyncClient]]


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
