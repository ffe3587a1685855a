"""The connection to Redis, with bounded waits."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from servicekit.redis_connection import UvloopConnection

# A command takes microseconds; a second without an answer means that the server is gone or frozen.
REDIS_TIMEOUT_SECONDS = 2.0
# Rides over a connection that the server closed; a longer outage is reported (503) or retried by the controller's tick.
REDIS_RETRIES = 2
# Hundreds of episodes or requests share these; redis-py's default pool raises an error when it is used up.
REDIS_CONNECTIONS = 32
POOL_TIMEOUT_SECONDS = 10.0

# redis-py's hints are unions over every decoding mode; with ours every answer is bytes, so they only get in the way.
RedisBytes = Any


def connect(redis_url: str) -> RedisBytes:
    """A client with bytes in and out (episodes are msgpack)."""
    pool = BlockingConnectionPool.from_url(
        redis_url,
        connection_class=UvloopConnection,
        max_connections=REDIS_CONNECTIONS,
        timeout=POOL_TIMEOUT_SECONDS,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), REDIS_RETRIES),
    )
    return Redis.from_pool(pool)
