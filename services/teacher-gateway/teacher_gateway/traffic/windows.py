"""Where the minutes are counted: in this process, or in Redis for all gateways together."""

import time
from collections import defaultdict
from typing import Protocol

import structlog
from contracts import keys
from contracts.errors import Problem
from redis.asyncio import Redis
from redis.exceptions import RedisError

from teacher_gateway.teachers_file import Limits
from teacher_gateway.traffic.window import WINDOW_SECONDS, Load, Window

# A Redis that restarts is back within seconds.
REDIS_RETRY_SECONDS = 1

# Window.take and Window.settle on a hash with the fields `<second>:r` and `<second>:t`, by Redis' own clock.
TAKE = """
local second, window = tonumber(redis.call('TIME')[1]), tonumber(ARGV[1])
local held, seconds, totals = {r = {}, t = {}}, {}, {r = 0, t = 0}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local at, unit = fields[i]:match('^(%d+):(%a)$')
  at = tonumber(at)
  if at <= second - window then
    redis.call('HDEL', KEYS[1], fields[i])
  else
    held[unit][at] = tonumber(fields[i + 1])
    totals[unit] = totals[unit] + held[unit][at]
    if unit == 'r' then seconds[#seconds + 1] = at end
  end
end
table.sort(seconds)
local wanted = {r = tonumber(ARGV[2]), t = tonumber(ARGV[3])}
local limits = {r = tonumber(ARGV[4]), t = tonumber(ARGV[5])}
local wait = 0
for unit, limit in pairs(limits) do
  local over = totals[unit] + wanted[unit] - limit
  for _, at in ipairs(seconds) do
    if over <= 0 then break end
    over = over - (held[unit][at] or 0)
    wait = math.max(wait, at + window - second)
  end
end
if wait == 0 then
  redis.call('HINCRBY', KEYS[1], second .. ':r', wanted.r)
  redis.call('HINCRBY', KEYS[1], second .. ':t', wanted.t)
  redis.call('EXPIRE', KEYS[1], window)
end
return {wait, second}
"""
SETTLE = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held then
  redis.call('HSET', KEYS[1], ARGV[1], math.max(0, tonumber(held) + tonumber(ARGV[2])))
end
"""
# Longer than the controller's tick, short enough that a job which goes on does not look throttled for long.
SHOWN_SECONDS = 2
NO_LIMIT = 2**52  # Lua counts in doubles
log = structlog.get_logger()


class Windows(Protocol):
    """The last minute of every provider."""

    async def take(self, provider: str, load: Load, limits: Limits) -> tuple[int, int]:
        """(0, the second it counts in) and the load is counted, or (seconds until it may fit, 0)."""

    async def settle(self, provider: str, second: int, tokens: int) -> None:
        """Correct an estimate by what was used beyond it (negative: less)."""

    async def tell_throttled(self, job_id: str, provider: str, seconds: int) -> None:
        """Let the controller show that the job waits for this provider's limits."""


class LocalWindows:
    """Of this process alone."""

    def __init__(self) -> None:
        self._windows: defaultdict[str, Window] = defaultdict(Window)

    async def take(self, provider: str, load: Load, limits: Limits) -> tuple[int, int]:
        now = time.monotonic()
        return self._windows[provider].take(now, load, limits), int(now)

    async def settle(self, provider: str, second: int, tokens: int) -> None:
        self._windows[provider].settle(second, tokens)

    async def tell_throttled(self, job_id: str, provider: str, seconds: int) -> None:
        return None


class SharedWindows:
    """Of all gateways that use this Redis. Raises a 503 Problem when it does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(TAKE)
        self._settle = redis.register_script(SETTLE)

    async def take(self, provider: str, load: Load, limits: Limits) -> tuple[int, int]:
        caps = [limits.requests_per_minute or NO_LIMIT, limits.tokens_per_minute or NO_LIMIT]
        try:
            wait, second = await self._take(
                keys=[keys.traffic(provider)], args=[WINDOW_SECONDS, load.requests, load.tokens, *caps]
            )
        except RedisError as error:
            raise _unreachable(error) from None
        return int(wait), int(second)

    async def settle(self, provider: str, second: int, tokens: int) -> None:
        try:
            await self._settle(keys=[keys.traffic(provider)], args=[f"{second}:t", tokens])
        except RedisError as error:  # the guidance is there and paid for; the estimate stays counted
            log.warning("usage_not_settled", provider=provider, cause=type(error).__name__)

    async def tell_throttled(self, job_id: str, provider: str, seconds: int) -> None:
        try:
            await self._redis.set(keys.throttled(job_id), provider, ex=max(SHOWN_SECONDS, seconds))
        except RedisError as error:  # it is only shown
            log.warning("throttling_not_told", provider=provider, cause=type(error).__name__)


def _unreachable(error: RedisError) -> Problem:
    detail = f"The gateway's Redis, which counts the providers' limits, does not answer ({type(error).__name__})."
    return Problem(503, "limits_unreachable", detail, retry_after=REDIS_RETRY_SECONDS)
