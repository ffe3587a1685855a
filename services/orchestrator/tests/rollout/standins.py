"""A student engine and a teacher gateway for tests: real HTTP servers that follow a script."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import web
from contracts.budgets import Leak
from contracts.guidance import GuidanceRequest, GuidanceResponse

HINT = "compare the values again ."
Fault = Callable[[web.Request, dict[str, Any]], web.StreamResponse]


class StandIn:
    """Answers POSTs on one path while `talking`; each of `faults` spoils one request, first come first served."""

    path: str

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.faults: deque[Fault] = deque()
        self.talking = asyncio.Event()
        self.talking.set()
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post(self.path, self._handle)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        host, port = self.runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append(body)
        if self.faults:
            return self.faults.popleft()(request, body)
        await self.talking.wait()
        return self.answer(body)

    def answer(self, body: dict[str, Any]) -> web.Response:
        raise NotImplementedError


class Engine(StandIn):
    """SGLang's /generate as the reference of its HTTP contract shows it. `speak` maps the context to token ids."""

    path = "/generate"

    def __init__(self, speak: Callable[[list[int]], list[int]]) -> None:
        super().__init__()
        self.speak = speak
        self.version = "job-1:0"

    def answer(self, body: dict[str, Any]) -> web.Response:
        return web.json_response(self.reply(body))

    def reply(self, body: dict[str, Any], **meta: Any) -> dict[str, Any]:
        limit = body["sampling_params"]["max_new_tokens"]
        whole = self.speak(body["input_ids"])
        ids = whole[:limit]
        finish = {"type": "length", "length": limit} if len(ids) < len(whole) else {"type": "stop", "matched": ids[-1]}
        return {
            "text": "the worker must not read this",
            "output_ids": ids,
            "meta_info": {
                "id": "0123",
                "finish_reason": finish,
                "prompt_tokens": len(body["input_ids"]),
                "completion_tokens": len(ids),
                "weight_version": self.version,
                "weight_versions": [{"version": self.version, "start": 0, "end": len(ids)}],
                "input_token_logprobs": [],
                "output_token_logprobs": [[-0.25 * (index + 1), token, None] for index, token in enumerate(ids)],
                "e2e_latency": 0.01,
                **meta,
            },
        }


class Gateway(StandIn):
    """The teacher gateway; every request must be a valid GuidanceRequest."""

    path = "/v1/guidance"
    text = HINT
    leak: Leak | None = None

    def answer(self, body: dict[str, Any]) -> web.Response:
        request = GuidanceRequest.model_validate(body)
        response = GuidanceResponse(
            text=self.text,
            provider=request.teacher.provider,
            model="rules",
            prompt_version="p1",
            prompt_tokens=11,
            completion_tokens=7,
            price_usd=0.5,
            latency_seconds=0.125,
            leak=self.leak,
        )
        return web.json_response(response.model_dump())


def status(code: int, headers: dict[str, str] | None = None, body: dict[str, Any] | None = None) -> Fault:
    """Answer with this status."""
    return lambda request, seen: web.json_response(
        body or {"error": {"message": "scripted"}}, status=code, headers=headers
    )


def drop(request: web.Request, seen: dict[str, Any]) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def respond(body: Callable[[dict[str, Any]], dict[str, Any]]) -> Fault:
    """Answer 200 with a body made from the request."""
    return lambda request, seen: web.json_response(body(seen))
