"""An HTTP proxy between rollout workers and engine that keeps every /generate exchange, and a stack that uses it."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from socratic.runs import own_stack
from socratic.stack.plan import STUDENT, StackRequest
from socratic.stack.state import read_state


class RecordingProxy:
    """Passes every request on to `target()`; `exchanges` holds (request, response) of each answered /generate."""

    def __init__(self, target: Callable[[], str]) -> None:
        self.target = target
        self.exchanges: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.forward)
        self._session = ClientSession()
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {"Content-Type": request.content_type}
        if key := request.headers.get("Authorization"):
            headers["Authorization"] = key
        url = self.target() + request.path
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            data = await answer.read()
        if request.path == "/generate" and answer.status == 200:
            self.exchanges.append((json.loads(body), json.loads(data)))
        return web.Response(body=data, status=answer.status, content_type=answer.content_type)

    def __enter__(self) -> "RecordingProxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def recorded_stack(request: StackRequest) -> Iterator[tuple[str, RecordingProxy]]:
    """A ready stack whose rollout worker reaches the engine through the proxy: (orchestrator's URL, proxy)."""
    with RecordingProxy(partial(engine_url, request.home)) as proxy:
        through_proxy = {"rollout-worker-1": {"ORCHESTRATOR_STUDENT_URLS": f'["{proxy.url}"]'}}
        request = request.model_copy(update={"settings": through_proxy})
        with own_stack(request, dict(os.environ), lambda state: None) as stack:
            yield stack.orchestrator_url, proxy


def engine_url(home: Path) -> str:
    """Where the engine of the running stack listens."""
    state = read_state(home)
    assert state is not None
    return next(item.url for item in state.processes if item.name == STUDENT)
