"""The gateway's one connection pool to Redis, which ledger and limits share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from servicekit.redis_connection import bounded_redis

# Hundreds of guidances share these.
REDIS_CONNECTIONS = 16


@asynccontextmanager
async def open_redis(redis_url: str | None) -> AsyncIterator[Redis | None]:
    """None without an address."""
    if redis_url is None:
        yield None
        return
    redis = bounded_redis(redis_url, REDIS_CONNECTIONS)
    try:
        yield redis
    finally:
        await redis.aclose()
