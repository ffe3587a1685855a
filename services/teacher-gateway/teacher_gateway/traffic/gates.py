"""A gate for every provider of the teachers file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from teacher_gateway.teachers_file import TeachersFile
from teacher_gateway.traffic.gate import Gate
from teacher_gateway.traffic.metrics import TrafficMetrics
from teacher_gateway.traffic.windows import LocalWindows, SharedWindows, Windows

# A Redis on the same machine answers within a millisecond; a guidance must not wait longer than this for a dead one.
REDIS_SECONDS = 2.0


@asynccontextmanager
async def open_gates(
    file: TeachersFile, redis_url: str | None, registry: CollectorRegistry
) -> AsyncIterator[dict[str, Gate]]:
    """By provider; the limits hold for all gateways that share the Redis, without one for this process."""
    metrics = TrafficMetrics(registry)
    async with _open_windows(redis_url) as windows:
        yield {name: Gate(name, provider, windows, metrics) for name, provider in file.providers.items()}


@asynccontextmanager
async def _open_windows(redis_url: str | None) -> AsyncIterator[Windows]:
    if redis_url is None:
        yield LocalWindows()
        return
    redis = Redis.from_url(redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)
    try:
        yield SharedWindows(redis)
    finally:
        await redis.aclose()
