"""What lives on the worker's event loop: connections, the runner of chunks, the heartbeat."""

import asyncio
import os
import socket
from contextlib import AsyncExitStack

import structlog
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError
from servicekit.http_client import Connections

from orchestrator.batches import Batches
from orchestrator.redis_client import connect
from orchestrator.rollout.chunk import ChunkRunner
from orchestrator.rollout.contexts import JobContexts
from orchestrator.rollout.episode import Parties
from orchestrator.rollout.metrics import RolloutMetrics
from orchestrator.rollout.replicas import Replicas
from orchestrator.rollout.store import HEARTBEAT_EVERY_SECONDS, Chunk, RolloutStore
from orchestrator.rollout.student import Student
from orchestrator.rollout.teacher import Teacher
from orchestrator.rollout.verification import Verification
from orchestrator.store import Store
from orchestrator.worker.settings import WorkerSettings

log = structlog.get_logger()


class Episodes:
    """All chunks of this process. Every method runs on the event loop."""

    def __init__(self, settings: WorkerSettings, registry: CollectorRegistry) -> None:
        self.settings = settings
        self.instance = f"{socket.gethostname()}-{os.getpid()}"
        self.metrics = RolloutMetrics(registry)
        self._resources = AsyncExitStack()

    async def open(self) -> None:
        """Connect and begin to beat."""
        settings = self.settings
        redis = connect(settings.redis_url)
        self._resources.push_async_callback(redis.aclose)
        connections = await self._resources.enter_async_context(Connections())
        verification = Verification(settings.data_roots)
        self._resources.push_async_callback(verification.close)
        self.store = RolloutStore(redis)
        self.runner = ChunkRunner(
            store=self.store,
            batches=Batches(redis),
            contexts=JobContexts(Store(redis), settings.model_roots, settings.data_roots),
            parties=Parties(
                student=Student(
                    connections, Replicas(settings.student_urls, self.store.rotation), settings.student_api_key
                ),
                teacher=Teacher(connections, settings.gateway_url, settings.service_key),
                verification=verification,
            ),
            slots=asyncio.Semaphore(settings.worker_episodes),
            metrics=self.metrics,
        )
        self.heart = asyncio.create_task(self._beat())

    async def run(self, chunk: Chunk) -> None:
        """Roll a chunk out; raises what ChunkRunner.run raises."""
        await self.runner.run(chunk)

    def give_back(self) -> None:
        """End all chunks, so that other workers take them over at once."""
        self.runner.give_back()

    async def close(self) -> None:
        """Disconnect."""
        self.heart.cancel()
        await asyncio.wait({self.heart})
        try:
            await self.store.leave(self.instance)
        except RedisError as error:
            log.warning("heartbeat_left_behind", cause=str(error))
        await self._resources.aclose()

    async def _beat(self) -> None:
        while True:
            try:
                await self.store.beat(self.instance, {"chunks": len(self.runner.rolling)})
            except RedisError as error:
                log.warning("heartbeat_missed", cause=str(error))
            await asyncio.sleep(HEARTBEAT_EVERY_SECONDS)
