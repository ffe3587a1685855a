"""The shape that every service shares: problems, request ids, health, metrics."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from contracts.errors import Problem, invalid
from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field
from servicekit.app import create_service
from servicekit.logs import add_bound
from servicekit.strict import exact_body
from structlog.testing import capture_logs

SECRET = "hunter2"


class Order(BaseModel):
    amount: int = Field(gt=0)


class Basket(BaseModel):
    orders: list[Order]


def sample_router() -> APIRouter:
    router = APIRouter()

    @router.post("/baskets", dependencies=[Depends(exact_body(Basket))])
    async def create(basket: Basket) -> int:
        return len(basket.orders)

    @router.get("/v1/baskets", name="v1_baskets")
    @router.get("/baskets")
    async def count(at_least: int | None = None) -> int:
        return at_least or 0

    @router.get("/problems/{name}")
    async def fail(name: str) -> None:
        match name:
            case "busy":
                raise Problem(503, "busy", "Try later.", retry_after=7)
            case "field":
                raise invalid("student.model", "no such directory; give an existing one")
            case _:
                raise RuntimeError(f"the password is {SECRET}")

    return router


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = create_service("sample", [sample_router()], CollectorRegistry())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://sample") as client:
        yield client


def problem_of(answer: httpx2.Response, status: int, code: str) -> dict[str, object]:
    """The body, checked for what every problem has (RFC 9457)."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:socratic:problem:{code}")
    assert body["instance"] == answer.request.url.path
    assert body["request_id"] == answer.headers["X-Request-ID"] != ""
    return body


async def test_unknown_paths_and_methods_are_problems(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get("/nowhere"), 404, "not_found")
    problem_of(await client.delete("/baskets"), 405, "method_not_allowed")


async def test_allow_names_every_method_of_the_path(client: httpx2.AsyncClient) -> None:
    """RFC 9110, 10.2.1: the methods of the resource, though each has a route of its own."""
    assert (await client.delete("/baskets")).headers["Allow"] == "GET, POST"
    assert (await client.post("/healthz")).headers["Allow"] == "GET"


async def test_bad_input_names_each_field(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/baskets", json={"orders": [{"amount": 0}, {"amount": 1}, {}]})
    body = problem_of(answer, 422, "invalid_request")
    assert isinstance(body["errors"], list)
    assert [error["field"] for error in body["errors"]] == ["orders.0.amount", "orders.2.amount"]
    assert "greater than 0" in str(body["detail"])


@pytest.mark.parametrize("amount", ["1", True, 1.5])
async def test_what_is_no_number_is_not_made_one(client: httpx2.AsyncClient, amount: object) -> None:
    answer = await client.post("/baskets", json={"orders": [{"amount": amount}]})
    body = problem_of(answer, 422, "invalid_request")
    assert isinstance(body["errors"], list)
    assert [error["field"] for error in body["errors"]] == ["orders.0.amount"]


async def test_the_document_says_what_a_service_answers(client: httpx2.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert set(paths["/readyz"]["get"]["responses"]) == {"200", "503"}
    (query,) = paths["/v1/baskets"]["get"]["parameters"]
    assert query["schema"] == {"type": "integer", "title": "At Least"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'"text"'])
async def test_a_body_that_is_no_json_object_is_a_problem(client: httpx2.AsyncClient, content: bytes) -> None:
    answer = await client.post("/baskets", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_named_problem_keeps_its_field_and_its_pause(client: httpx2.AsyncClient) -> None:
    busy = await client.get("/problems/busy")
    assert problem_of(busy, 503, "busy")["detail"] == "Try later."
    assert busy.headers["Retry-After"] == "7"
    body = problem_of(await client.get("/problems/field"), 422, "invalid_request")
    message = "student.model: no such directory; give an existing one"
    assert (body["field"], body["errors"]) == ("student.model", [{"field": "student.model", "message": message}])


async def test_an_unexpected_error_is_logged_and_not_told(client: httpx2.AsyncClient) -> None:
    with capture_logs([add_bound]) as lines:
        answer = await client.get("/problems/other", headers={"X-Request-ID": "abc-1"})
    problem_of(answer, 500, "internal_error")
    assert SECRET not in answer.text
    (line,) = [line for line in lines if line["event"] == "unexpected_error"]
    assert (line["request_id"], line["path"]) == ("abc-1", "/problems/other")
    assert 'status="500"' in (await client.get("/metrics")).text


async def test_request_ids_are_echoed_bounded_or_made(client: httpx2.AsyncClient) -> None:
    async def echoed(**headers: str) -> str:
        return (await client.get("/healthz", headers=headers)).headers["X-Request-ID"]

    assert await echoed(**{"X-Request-ID": "mine"}) == "mine"
    assert await echoed(**{"X-Request-ID": "x" * 1000}) == "x" * 64
    assert await echoed() != await echoed()


async def test_metrics_count_requests_under_their_route_template(client: httpx2.AsyncClient) -> None:
    await client.get("/problems/busy")
    await client.get("/problems/field")
    await client.get("/some/unknown/path")
    metrics = (await client.get("/metrics")).text
    labels = 'method="GET",route="/problems/{name}",service="sample",status="503"'
    assert f"socratic_http_request_seconds_count{{{labels}}} 1.0" in metrics
    assert 'route="unmatched"' in metrics
    assert "/some/unknown/path" not in metrics


async def test_health_and_readiness(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_a_service_that_cannot_work_says_why_and_when_to_ask_again() -> None:
    async def readiness() -> str:
        return "Redis does not answer"

    app = create_service("sample", [], CollectorRegistry(), readiness=readiness)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://sample") as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "Redis does not answer")
        assert answer.headers["Retry-After"] == "1"
        assert (await client.get("/healthz")).status_code == 200


async def test_no_request_can_add_labels_without_end(client: httpx2.AsyncClient) -> None:
    for number in range(50):
        await client.request(f"METHOD{number}", f"/path/{number}", headers={"X-Request-ID": str(number)})
    text = (await client.get("/metrics")).text
    series = [line for line in text.splitlines() if line.startswith("socratic_http_request_seconds_count")]
    assert series == [
        'socratic_http_request_seconds_count{method="other",route="unmatched",service="sample",status="404"} 50.0'
    ]
