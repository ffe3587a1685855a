"""Wiring of the teacher gateway."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from servicekit.app import create_service
from servicekit.http_client import Connections

from teacher_gateway.accompany import create_seams, open_cassettes, secrets_of
from teacher_gateway.cassette.recorder import Recorder
from teacher_gateway.cassette.routes import router as cassette_router
from teacher_gateway.gateway import Gateway
from teacher_gateway.leaks.probe import StudentProbe
from teacher_gateway.money.ledger import open_ledger
from teacher_gateway.money.routes import router as money_router
from teacher_gateway.money.terms import TermsBook
from teacher_gateway.observation import GuidanceMetrics
from teacher_gateway.openai_door import router as openai_router
from teacher_gateway.prompt import load_template
from teacher_gateway.providers.registry import check_kinds, open_registry
from teacher_gateway.redis_client import open_redis
from teacher_gateway.routes import router
from teacher_gateway.rungs import Staff
from teacher_gateway.scoring.client import Scorer
from teacher_gateway.scoring.routes import router as scoring_router
from teacher_gateway.settings import GatewaySettings
from teacher_gateway.teachers_file import load_teachers, with_local
from teacher_gateway.traffic.gates import create_gates

ROUTERS = [router, openai_router, money_router, cassette_router, scoring_router]


def create_app(
    settings: GatewaySettings, environment: Mapping[str, str] | None = None, on_ready: Callable[[], None] = lambda: None
) -> FastAPI:
    """The service; `environment` holds the keys that the teachers file names; `on_ready` ends the start.

    Raises ValueError when the teacher prompt or the teachers file names something unknown.
    """
    metrics_registry = CollectorRegistry()
    metrics = GuidanceMetrics(metrics_registry)
    template = load_template()
    file = with_local(load_teachers(settings.teachers_file), settings.local_teacher_url)
    check_kinds(file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            Connections() as connections,
            open_registry(settings, connections, file, environment or {}) as registry,
            open_redis(settings.redis_url) as redis,
            open_ledger(redis) as ledger,
        ):
            gates = create_gates(file, redis, metrics_registry)
            app.state.scorer = Scorer(connections, settings, file, environment or {})
            app.state.ledger, app.state.terms = ledger, TermsBook(file)
            secrets = secrets_of(settings, file, environment or {})
            app.state.cassettes = open_cassettes(settings, secrets)
            address, key = settings.student_url, settings.student_api_key
            probe = StudentProbe(connections, address, key) if address else None
            recorder = Recorder(app.state.cassettes, file.described, redis)
            seams = create_seams(ledger, app.state.terms, recorder, probe, secrets, metrics_registry)
            app.state.gateway = Gateway(Staff(registry, file.teachers), gates, template, metrics, seams)
            on_ready()
            yield

    return create_service("teacher-gateway", ROUTERS, metrics_registry, lifespan, guard=settings)
