"""The Celery end of a rollout worker: each message waits in a thread for its chunk on the one event loop."""

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_shutting_down
from contracts.episodes import Purpose
from contracts.errors import Problem
from contracts.manifests import CHUNK_EPISODES

from orchestrator.rollout.dispatch import CHUNK_TASK, QUEUE, create_celery
from orchestrator.rollout.store import Chunk
from orchestrator.worker.episodes import Episodes
from orchestrator.worker.loop_thread import LoopThread
from orchestrator.worker.settings import WorkerSettings

# Kombu pauses 2, 4, 6 ... 30 s: the worker rides over an outage of minutes, then exits for its supervisor to see.
BROKER_RETRIES = 20
# The next chunk is taken, and its job loaded, while the last episodes of others still run.
SPARE_CHUNKS = 2

log = structlog.get_logger()


def run_worker(settings: WorkerSettings, episodes: Episodes, loop: LoopThread) -> int:
    """Take chunks until SIGTERM or SIGINT; returns the exit status."""
    app = create_celery(settings.redis_url)
    configure(app)
    register_chunk_task(app, episodes, loop)

    def on_shutdown(**_: object) -> None:
        loop.loop.call_soon_threadsafe(episodes.give_back)

    def keep_our_logs(**_: object) -> None:
        """A receiver of this signal is what keeps Celery from setting up its own logging."""

    worker_shutting_down.connect(on_shutdown, weak=False)
    setup_logging.connect(keep_our_logs, weak=False)
    worker = app.Worker(
        hostname=f"rollout@{episodes.instance}",
        queues=[QUEUE],
        pool="threads",
        concurrency=settings.worker_episodes // CHUNK_EPISODES + SPARE_CHUNKS,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def configure(app: Celery) -> None:
    """What concerns only the taking end; why acknowledgement is early, is written at create_celery."""
    app.conf.update(
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=BROKER_RETRIES,
    )


def register_chunk_task(app: Celery, episodes: Episodes, loop: LoopThread) -> None:
    """Bind `rollout.chunk` to this process."""

    @app.task(name=CHUNK_TASK)  # type: ignore[untyped-decorator]
    def roll_out_chunk(job_id: str, purpose: Purpose, step: int, chunk: int) -> None:
        # Bounded by the deadlines of the chunk's episodes; nothing else in it waits without one.
        try:
            loop.submit(episodes.run(Chunk(job_id, purpose, step, chunk))).result()
        except Problem as problem:
            log.error("chunk_impossible_here", job_id=job_id, field=problem.field, detail=problem.detail)
