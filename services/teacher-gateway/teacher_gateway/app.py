"""Wiring of the teacher gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from servicekit.app import create_service

from teacher_gateway.chat import open_session
from teacher_gateway.gateway import Gateway
from teacher_gateway.observation import GuidanceMetrics
from teacher_gateway.prompt import load_template
from teacher_gateway.providers.registry import create_registry
from teacher_gateway.routes import router
from teacher_gateway.settings import GatewaySettings


def create_app(settings: GatewaySettings) -> FastAPI:
    """The service. Raises ValueError when the teacher prompt names something unknown."""
    metrics_registry = CollectorRegistry()
    metrics = GuidanceMetrics(metrics_registry)
    template = load_template()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_session() as session:
            app.state.gateway = Gateway(create_registry(settings, session), template, metrics)
            yield

    return create_service("teacher-gateway", [router], metrics_registry, lifespan)
