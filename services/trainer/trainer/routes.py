"""Health and metrics over HTTP, beside the training loop. The trainer takes its work from Redis, not from here."""

import threading

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from servicekit.app import create_service
from servicekit.server import serve

from trainer.jobs import Trainer
from trainer.settings import TrainerSettings

log = structlog.get_logger()


def create_app(trainer: Trainer, registry: CollectorRegistry) -> FastAPI:
    """`/healthz`, `/readyz` (503 with the reason while no job could be worked on), `/metrics`."""

    async def readiness() -> str | None:
        return trainer.trouble

    return create_service("trainer", [], registry, readiness=readiness)


def start_server(app: FastAPI, settings: TrainerSettings, stopping: threading.Event) -> threading.Thread:
    """Serve in a daemon thread. A port that is taken ends the trainer: unseen, it would train unwatched."""

    def serve_or_stop() -> None:
        try:
            serve(app, settings)
        except OSError as error:
            log.error("port_unusable", host=settings.host, port=settings.port, error=str(error))
            stopping.set()

    thread = threading.Thread(target=serve_or_stop, name="http", daemon=True)
    thread.start()
    return thread
