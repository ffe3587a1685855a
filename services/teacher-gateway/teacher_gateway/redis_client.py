"""The gateway's one connection pool to Redis, which ledger and limits share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from servicekit.redis_connection import UvloopConnection

# A Redis on the same machine answers within a millisecond; a guidance must not wait longer than this for a dead one.
REDIS_SECONDS = 2.0
# Hundreds of guidances share these and wait their turn; redis-py's default pool raises an error when it is used up.
REDIS_CONNECTIONS = 16
# All of them at once, each for its turn of a millisecond, on a busy machine.
TURN_SECONDS = 10.0


@asynccontextmanager
async def open_redis(redis_url: str | None) -> AsyncIterator[Redis | None]:
    """None without an address."""
    if redis_url is None:
        yield None
        return
    pool = BlockingConnectionPool.from_url(
        redis_url,
        connection_class=UvloopConnection,
        max_connections=REDIS_CONNECTIONS,
        timeout=TURN_SECONDS,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
    )
    redis = Redis.from_pool(pool)
    try:
        yield redis
    finally:
        await redis.aclose()
