"""The one shape of every HTTP service: problems, request ids, health, metrics."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version

from contracts.errors import Problem
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import Match

from servicekit.direct import Direct, direct_routes
from servicekit.guard import Guard
from servicekit.observation import METHODS, Observation, problem_response
from servicekit.openapi import Service, operation_id, problems
from servicekit.settings import GuardedSettings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Readiness = Callable[[], Awaitable[str | None]]


def create_service(
    name: str,
    routers: list[APIRouter],
    registry: CollectorRegistry,
    lifespan: Lifespan | None = None,
    readiness: Readiness | None = None,
    guard: GuardedSettings | None = None,
    open_paths: Collection[str] = (),
) -> FastAPI:
    """An app with `/healthz`, `/readyz`, `/metrics`, request ids and RFC 9457 problems.

    `readiness` returns None when the service can take work, else the reason why it cannot (answered as 503). `guard`
    has the keys and bounds of its routes; without it all are open. `open_paths`: see Guard.
    """
    app = Service(
        title=f"SocraticPO {name}",
        version=version("socratic-contracts"),
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    ProcessCollector(registry=registry)
    routes = direct_routes(routers)
    app.direct_paths = routes.keys()
    app.add_middleware(Direct, routes=routes)
    if guard is not None:
        app.needs_key = bool(guard.access_keys())
        app.add_middleware(Guard, settings=guard, open_paths=open_paths)
    app.add_middleware(Observation, service=name, registry=registry)
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
        """The process lives."""
        return {"status": "ok"}

    @router.get("/readyz", responses=problems(503))
    async def readyz() -> Response:
        """Whether the service can take work; 503 with the reason while it cannot."""
        reason = await readiness() if readiness else None
        if reason is None:
            return JSONResponse({"status": "ready"})
        return problem_response(Problem(503, "not_ready", reason, retry_after=1))

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def add_problem_handlers(app: FastAPI) -> None:
    """Every error that a service names is told as a problem (RFC 9457)."""

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return problem_response(problem, request)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [{"field": field_of(item["loc"]), "message": item["msg"]} for item in error.errors()]
        detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
        return problem_response(Problem(422, "invalid_request", detail, errors=errors), request)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}.get(error.status_code, "http_error")
        response = problem_response(Problem(error.status_code, code, str(error.detail)), request)
        response.headers.update(error.headers or {})
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(sorted(methods_at(request)))
        return response


def methods_at(request: Request) -> set[str]:
    """What the path of the request can be asked by; Starlette tells only of the first route that it found there."""
    app: FastAPI = request.app
    asked = {method: {**request.scope, "method": method} for method in METHODS}
    return {
        method
        for method, scope in asked.items()
        if any(route.matches(dict(scope))[0] == Match.FULL for route in app.routes)
    }


def field_of(location: Sequence[int | str]) -> str:
    """The dotted path of a field of the request. Tags of unions are written in parentheses and are no part of it."""
    return ".".join(str(part) for part in location if part != "body" and not str(part).startswith("("))
