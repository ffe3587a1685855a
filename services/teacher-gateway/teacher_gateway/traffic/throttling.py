"""Lets the controller show which provider's limits a job waits for."""

import structlog
from contracts import keys
from redis.asyncio import Redis
from redis.exceptions import RedisError

# Longer than the controller's tick, short enough that a job which goes on does not look throttled for long.
SHOWN_SECONDS = 2
log = structlog.get_logger()


class Throttling:
    """Told through Redis; without one, nobody reads it."""

    def __init__(self, redis: Redis | None) -> None:
        self._redis = redis

    async def tell(self, job_id: str, provider: str, seconds: int) -> None:
        """The job waits for this provider's limits."""
        if self._redis is None:
            return
        try:
            await self._redis.set(keys.throttled(job_id), provider, ex=max(SHOWN_SECONDS, seconds))
        except RedisError as error:  # it is only shown
            log.warning("throttling_not_told", provider=provider, cause=type(error).__name__)
