"""Wiring of the orchestrator: API and controller in one process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import structlog
from contracts.errors import Problem
from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError
from servicekit.app import create_service
from servicekit.observation import problem_response

from orchestrator.batches import Batches
from orchestrator.checkpoints import CheckpointShelf
from orchestrator.controller import Controller
from orchestrator.driver import Driver
from orchestrator.neighbours import Neighbours
from orchestrator.observation import ControllerMetrics
from orchestrator.questions import QuestionShelf
from orchestrator.redis_client import connect
from orchestrator.rollout.dispatch import ChunkSender
from orchestrator.routes import attempts, episodes, events, jobs, models, records, tasks, teachers
from orchestrator.routes import checkpoints as checkpoint_routes
from orchestrator.routes.common import Services
from orchestrator.settings import OrchestratorSettings
from orchestrator.store import Store
from orchestrator.token_texts import TokenTexts
from orchestrator.trials import Trials
from orchestrator.ui import routes as ui
from orchestrator.validation.validator import Validator
from orchestrator.watch import Watch

ROUTERS = [jobs.router, events.router, records.router, attempts.router, checkpoint_routes.router, episodes.router]
ROUTERS += [models.router, tasks.router, teachers.router, ui.router]
RETRY_AFTER_SECONDS = 2
# Probes ask every second or so and must not queue up behind a Redis that hangs.
READY_SECONDS = 1.0
# A tick ends within the time-outs of Redis and the broker; after that the process may go: it may be killed anyway.
STOP_SECONDS = 5.0
log = structlog.get_logger()


def build_app(settings: OrchestratorSettings) -> FastAPI:
    """The service; its controller starts and stops with it."""
    registry = CollectorRegistry()
    metrics = ControllerMetrics(registry)
    redis = connect(settings.redis_url)
    shelf = QuestionShelf(settings.data_roots)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sender = ChunkSender(settings.redis_url)
        async with aiohttp.ClientSession() as session:
            neighbours = Neighbours(session, settings)
            validator, checkpoints = Validator(settings, neighbours), CheckpointShelf(settings.data_root)
            texts = TokenTexts(settings.model_roots)
            trials = Trials(settings, validator, neighbours)
            app.state.services = Services(
                Store(redis), Batches(redis), shelf, validator, checkpoints, texts, neighbours, trials
            )
            driver = Driver(Watch(redis), settings, sender, shelf, metrics)
            controller = Controller(redis, driver, metrics)
            running = asyncio.create_task(controller.run())
            running.add_done_callback(stop_when_crashed)
            yield
            controller.stop()
            await asyncio.wait([running], timeout=STOP_SECONDS)
        sender.close()
        await redis.aclose()

    async def readiness() -> str | None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await redis.ping()
        except (RedisError, TimeoutError) as error:
            return f"Redis does not answer: {error or 'time-out'}"
        return None

    app = create_service("orchestrator", ROUTERS, registry, lifespan, readiness, settings, ui.OPEN_PATHS)
    app.add_exception_handler(RedisError, on_redis_error)
    return app


def stop_when_crashed(controller: asyncio.Task[None]) -> None:
    """An API whose controller is dead would accept jobs that never run: end the process, its supervisor restarts it."""
    if not controller.cancelled() and controller.exception() is not None:
        log.critical("controller_crashed", exc_info=controller.exception())
        os.kill(os.getpid(), signal.SIGTERM)


async def on_redis_error(request: Request, error: Exception) -> Response:
    """503 while Redis is away."""
    log.warning("redis_unavailable", error=str(error))
    detail = "Redis does not answer; try again."
    return problem_response(Problem(503, "redis_unavailable", detail, retry_after=RETRY_AFTER_SECONDS), request)
