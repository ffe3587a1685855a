"""A direct route answers, refuses and documents itself exactly as the same endpoint does under FastAPI's own route."""

from typing import Any

import httpx2
import pytest
from contracts.errors import Problem
from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field
from servicekit.app import create_service
from servicekit.direct import DirectRoute
from servicekit.observation import Message, Receive, Scope, Send
from servicekit.openapi import Service, problems
from servicekit.settings import GuardedSettings
from servicekit.shortcut import Shortcut

JSON = {"content-type": "application/json"}


class Order(BaseModel):
    amount: int = Field(gt=0)
    words: dict[str, str] = {}
    share: float = 0.5


class Bill(BaseModel):
    total: float
    words: str


async def bill(order: Order, request: Request) -> Bill:
    """What an order costs."""
    if order.amount == 13:
        raise Problem(402, "unlucky", "Take another amount.", retry_after=3)
    if order.amount == 500:
        raise RuntimeError("broken")
    return Bill(total=order.amount * order.share, words=f"{order.words} at {request.url.path} of {request.app.title}")


def service(route: type[DirectRoute] | None) -> Service:
    router = APIRouter(prefix="/v1")
    router.add_api_route("/bills", bill, methods=["POST"], responses=problems(402), route_class_override=route)
    app = create_service("shop", [router], CollectorRegistry(), guard=GuardedSettings(max_body_bytes=1024))
    assert isinstance(app, Service)
    return app


async def must_not_be_asked(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("a direct route took the long way")


def short(service: Service) -> Shortcut:
    """As it is served."""
    service.middleware_stack = service.build_middleware_stack()  # the lifespan does so
    return Shortcut(service, must_not_be_asked)


async def told(
    route: type[DirectRoute] | None, method: str, content: Any, headers: dict[str, str], served: bool = False
) -> tuple[Any, ...]:
    """Status, headers and body, without the one thing that differs from request to request."""
    transport = httpx2.ASGITransport(short(service(route)) if served else service(route))
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
        headers = {"x-request-id": "one", **headers}
        answer = await client.request(method, "/v1/bills", content=content, headers=headers)
    return answer.status_code, sorted(answer.headers.items()), answer.content


@pytest.mark.parametrize(
    ("status", "method", "content", "headers"),
    [
        (200, "POST", b'{"amount": 3, "words": {"a": "\xc3\xa4\\n"}}', JSON),
        (200, "POST", b'{"amount": "3", "amount": 4.0, "other": [1]}', JSON),
        (200, "POST", b'{"amount": 3, "share": NaN}', JSON),
        (200, "POST", b'{"amount": 3}', {"content-type": "application/json; charset=utf-8"}),
        (200, "POST", b'{"amount": 3}', {"content-type": "application/order+json"}),
        (402, "POST", b'{"amount": 13}', JSON),
        (500, "POST", b'{"amount": 500}', JSON),
        (422, "POST", b'{"amount": 0, "words": {"a": 1}}', JSON),
        (200, "POST", b'{"amount": 3, "words": {"a": "\\ud800"}}', JSON),
        (422, "POST", b'{"amount": 3', JSON),
        (422, "POST", b"[]", JSON),
        (422, "POST", b"", JSON),
        (422, "POST", b'{"amount": 3}', {}),
        (422, "POST", b'{"amount": 3}', {"content-type": "text/plain"}),
        (400, "POST", b'{"\xff": 3}', JSON),
        (413, "POST", b'{"amount": 3}' + b" " * 1024, JSON),
        (405, "GET", b"", {}),
        (405, "PUT", b'{"amount": 3}', JSON),
    ],
)
async def test_as_under_fastapis_own_route(status: int, method: str, content: bytes, headers: dict[str, str]) -> None:
    found = await told(DirectRoute, method, content, headers)
    assert found == await told(None, method, content, headers)
    assert found == await told(DirectRoute, method, content, headers, served=True)
    assert found[0] == status


async def test_a_body_that_comes_in_pieces_and_exceeds_the_bound_is_refused() -> None:
    async def pieces() -> Any:
        for _ in range(3):
            yield b" " * 512

    found = await told(DirectRoute, "POST", pieces(), JSON)
    assert found == await told(None, "POST", pieces(), JSON)
    assert found == await told(DirectRoute, "POST", pieces(), JSON, served=True)
    assert found[0] == 413


async def test_a_client_that_leaves_within_its_body() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def statuses(route: type[DirectRoute] | None) -> list[Any]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"content-length", b"13")]
        scope = {"type": "http", "method": "POST", "path": "/v1/bills", "query_string": b"", "headers": headers}
        await service(route)(scope, gone, send)
        return [message.get("status") for message in sent]

    assert await statuses(DirectRoute) == await statuses(None) == [400, None]


async def test_other_routes_take_the_long_way() -> None:
    transport = httpx2.ASGITransport(short(service(DirectRoute)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
        with pytest.raises(AssertionError, match="the long way"):
            await client.get("/healthz")


def test_the_document_is_the_same() -> None:
    assert service(DirectRoute).openapi() == service(None).openapi()


async def test_it_is_timed_under_its_path() -> None:
    transport = httpx2.ASGITransport(service(DirectRoute))
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
        await client.post("/v1/bills", content=b'{"amount": 3}', headers=JSON)
        metrics = (await client.get("/metrics")).text
    assert 'method="POST",route="/v1/bills",service="shop",status="200"} 1.0' in metrics
