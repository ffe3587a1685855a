"""The one shape of every HTTP service: problems, request ids, health, metrics."""

import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import structlog
from contracts.errors import Problem
from contracts.metrics import HTTP_REQUEST_SECONDS
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, ProcessCollector, generate_latest
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"
REQUEST_ID_HEADER = "X-Request-ID"
# Of any other method, and there may be as many as a client can think of, only the number is told.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Readiness = Callable[[], Awaitable[str | None]]
log = structlog.get_logger()


def create_service(
    name: str,
    routers: list[APIRouter],
    registry: CollectorRegistry,
    lifespan: Lifespan | None = None,
    readiness: Readiness | None = None,
) -> FastAPI:
    """An app with `/healthz`, `/readyz`, `/metrics`, request ids and RFC 9457 problems.

    `readiness` returns None when the service can take work, else the reason why it cannot (answered as 503).
    """
    app = FastAPI(title=f"SocraticPO {name}", version="1", lifespan=lifespan)
    add_observation(app, name, registry)
    add_problem_handlers(app)
    app.include_router(operations_router(registry, readiness))
    for router in routers:
        app.include_router(router)
    return app


def operations_router(registry: CollectorRegistry, readiness: Readiness | None) -> APIRouter:
    """The routes that operators use."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> Response:
        reason = await readiness() if readiness else None
        if reason is None:
            return JSONResponse({"status": "ready"})
        return problem_response(Problem(503, "not_ready", reason, retry_after=1))

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def add_observation(app: FastAPI, service: str, registry: CollectorRegistry) -> None:
    """Give each request an id; time it under its method and route template, so that labels stay bounded."""
    ProcessCollector(registry=registry)
    seconds = Histogram(
        HTTP_REQUEST_SECONDS,
        "Time to answer a request.",
        ["service", "method", "route", "status"],
        registry=registry,
    )

    @app.middleware("http")
    async def observe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        request_id = request.headers.get(REQUEST_ID_HEADER, "")[:64] or uuid.uuid4().hex
        request.state.request_id = request_id
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                response = await call_next(request)
            except Exception:  # the one boundary: here an unexpected error still gets its id and its count
                log.exception("unexpected_error", path=request.url.path)
                response = internal_error(request)
        response.headers[REQUEST_ID_HEADER] = request_id
        route = getattr(request.scope.get("route"), "path", "unmatched")
        method = request.method if request.method in METHODS else "other"
        seconds.labels(service, method, route, str(response.status_code)).observe(time.perf_counter() - started)
        return response


def problem_response(problem: Problem, request: Request | None = None) -> JSONResponse:
    """The problem as `application/problem+json`, with the request's id where there is one."""
    body = problem.as_dict()
    if request is not None:
        body["request_id"] = getattr(request.state, "request_id", "")
        body["instance"] = request.url.path
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    return JSONResponse(body, problem.status, headers, PROBLEM_JSON)


def add_problem_handlers(app: FastAPI) -> None:
    """Every error that a service names is told as a problem (RFC 9457)."""

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return problem_response(problem, request)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"field": ".".join(str(part) for part in item["loc"] if part != "body"), "message": item["msg"]}
            for item in error.errors()
        ]
        detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
        return problem_response(Problem(422, "invalid_request", detail, errors=errors), request)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        return problem_response(Problem(error.status_code, code, str(error.detail)), request)


def internal_error(request: Request) -> Response:
    """A 500 that tells the user where to look and nothing else; the log has the rest."""
    detail = "An unexpected error was logged under this request id."
    return problem_response(Problem(500, "internal_error", detail), request)
