"""A way for what is asked most: one JSON model in and one out, without the machinery for all that it does not use.

What it cannot serve (another method, no JSON, a body that does not fit) it hands to FastAPI, whose refusal is the same
as that of any other route; so is its place in the OpenAPI document.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.errors import Problem
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from servicekit.observation import App, Message, Receive, Scope, Send, problem_response

JSON = b"application/json"


class DirectRoute(APIRoute):
    """POST of an endpoint `async (body: Model, request: Request) -> Model` at a path without parameters."""

    @property
    def model(self) -> type[BaseModel]:
        """What its body is."""
        assert self.body_field is not None
        model: Any = self.body_field.field_info.annotation
        return model  # type: ignore[no-any-return]


class Direct:
    """ASGI middleware: answers POSTs to the direct routes by itself."""

    def __init__(self, app: App, routes: Mapping[str, DirectRoute]) -> None:
        self._app = app
        self._routes = {path: (route, route.model) for path, route in routes.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None or not is_plain_json(scope):
            return await self._app(scope, receive, send)
        route, model = found
        body = await whole_body(receive)
        if body is None:
            return await self._app(scope, gone, send)
        try:
            asked = model.model_validate_json(body)
        except ValidationError:
            return await self._app(scope, once_more(body, receive), send)
        scope["route"], request = route, Request(scope, receive)
        try:
            given: BaseModel = await route.endpoint(asked, request)
        except Problem as problem:
            return await problem_response(problem, request)(scope, receive, send)
        return await tell(given, send)


def direct_routes(routers: Iterable[APIRouter]) -> dict[str, DirectRoute]:
    """By path."""
    routes = [route for router in routers for route in router.routes]
    return {route.path: route for route in routes if isinstance(route, DirectRoute)}


async def tell(given: BaseModel, send: Send) -> None:
    """A 200 with what the endpoint gave."""
    body = given.model_dump_json().encode()
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", JSON)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_plain_json(scope: Scope) -> bool:
    """Of a told length, which the guard has looked at and the server keeps: what comes in pieces is counted there."""
    headers = dict(scope["headers"])
    return headers.get(b"content-type") == JSON and b"content-length" in headers


async def whole_body(receive: Receive) -> bytes | None:
    """All of it; None when the client is gone."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def gone() -> Message:
    """All that is to be had of a client that left."""
    return {"type": "http.disconnect"}


def once_more(body: bytes, receive: Receive) -> Receive:
    """What was read already, then whatever follows."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
