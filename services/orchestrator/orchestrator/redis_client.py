"""The connection to Redis, with bounded waits."""

from typing import Any

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from servicekit.redis_connection import bounded_redis

# Rides over a connection that the server closed; a longer outage is reported (503) or retried by the controller's tick.
REDIS_RETRIES = 2
# Hundreds of episodes or requests share these.
REDIS_CONNECTIONS = 32

# redis-py's hints are unions over every decoding mode; with ours every answer is bytes, so they only get in the way.
RedisBytes = Any


def connect(redis_url: str) -> RedisBytes:
    """A client with bytes in and out (episodes are msgpack)."""
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), REDIS_RETRIES)
    return bounded_redis(redis_url, REDIS_CONNECTIONS, retry=retry)
