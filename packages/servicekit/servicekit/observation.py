"""Each request gets an id and is timed under its route template. Plain ASGI: no task and no queue a request."""

import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

import structlog
from contracts.errors import Problem
from contracts.metrics import HTTP_REQUEST_SECONDS
from fastapi import Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Histogram

from servicekit.logs import Bound
from servicekit.tally import Tally

PROBLEM_JSON = "application/problem+json"
REQUEST_ID_HEADER = "X-Request-ID"
REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
LONGEST_REQUEST_ID = 64
# Of any other method, and there may be as many as a client can think of, only the number is told.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
log = structlog.get_logger()


class Observation:
    """ASGI middleware. An error that nobody named becomes a 500 with the request's id, and one line in the log."""

    def __init__(self, app: App, service: str, registry: CollectorRegistry) -> None:
        self._app = app
        self._service = service
        self._tally = Tally(registry)
        self._seconds = Histogram(
            HTTP_REQUEST_SECONDS,
            "Time until a request is answered; of a stream, until it begins.",
            ["service", "method", "route", "status"],
            registry=registry,
        )
        self._at = cache(self._seconds.labels)  # the registry keeps every series anyway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {})["request_id"] = request_id_of(scope)
        started, answered = time.perf_counter(), False

        async def observed_send(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, request_id.encode("latin-1"))]
                self._observe(scope, message["status"], time.perf_counter() - started)
            await send(message)

        with Bound(request_id=request_id):
            try:
                await self._app(scope, receive, observed_send)
            except Exception:  # the one boundary: here an unexpected error still gets its id and its count
                log.exception("unexpected_error", path=scope["path"])
                if answered:
                    raise
                await internal_error(Request(scope))(scope, receive, observed_send)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._tally.add(self._count, method, route, status, seconds)

    def _count(self, method: str, route: str, status: int, seconds: float) -> None:
        self._at(self._service, method, route, str(status)).observe(seconds)


def request_id_of(scope: Scope) -> str:
    """The caller's, bounded; else a random one. It is no secret, so the fast generator does."""
    given = dict(reversed(scope["headers"])).get(REQUEST_ID, b"").decode("latin-1")  # of several, the first
    return given[:LONGEST_REQUEST_ID] or f"{random.getrandbits(128):032x}"


def problem_response(problem: Problem, request: Request | None = None) -> JSONResponse:
    """The problem as `application/problem+json`, with the request's id where there is one."""
    body = problem.as_dict()
    if request is not None:
        body["request_id"] = getattr(request.state, "request_id", "")
        body["instance"] = request.url.path
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    return JSONResponse(body, problem.status, headers, PROBLEM_JSON)


def internal_error(request: Request) -> JSONResponse:
    """A 500 that tells the user where to look and nothing else; the log has the rest."""
    detail = "An unexpected error was logged under this request id."
    return problem_response(Problem(500, "internal_error", detail), request)
