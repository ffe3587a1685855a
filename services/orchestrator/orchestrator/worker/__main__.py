"""`python -m orchestrator.worker`: start as many as you like, on any machine that reaches Redis and the services."""

import logging

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from servicekit.logs import configure_logs
from servicekit.settings import parse_settings

from orchestrator.worker.celery_worker import run_worker
from orchestrator.worker.episodes import Episodes
from orchestrator.worker.loop_thread import LoopThread
from orchestrator.worker.settings import WorkerSettings

PURPOSE = "Rollout worker: makes the episodes that the orchestrator's controller hands out."
# Opening and closing connections; a Redis that does not answer gives up sooner by itself.
SETUP_SECONDS = 30.0

log = structlog.get_logger()


def main() -> int:
    """Read the settings, serve /metrics, work until told to stop."""
    settings = parse_settings(WorkerSettings, "orchestrator.worker", PURPOSE)
    configure_logs("rollout-worker", settings.log_level, settings.log_format)
    logging.captureWarnings(True)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    episodes = Episodes(settings, registry)
    try:
        server, _ = start_http_server(settings.worker_port, settings.host, registry)
    except OSError as error:
        raise SystemExit(f"ORCHESTRATOR_WORKER_PORT {settings.worker_port}: {error}; 0 takes any free port") from error
    log.info("worker_started", instance=episodes.instance, metrics_port=server.server_port)
    loop = LoopThread()
    loop.submit(episodes.open()).result(SETUP_SECONDS)
    try:
        return run_worker(settings, episodes, loop)
    finally:
        loop.submit(episodes.close()).result(SETUP_SECONDS)
        loop.stop()
        server.shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
