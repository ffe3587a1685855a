"""One controller leads at a time: a lease that expires, and a fencing token that grows with each new leader."""

import os
import secrets
import socket

from contracts import keys

from orchestrator.redis_client import RedisBytes

CONTROLLER = "controller"
# Longer than a slow tick, short enough that after kill -9 another controller takes over within seconds.
LEASE_SECONDS = 3.0

# KEYS: lease, fence. ARGV: owner, milliseconds. Returns the fencing token of the leadership, 0 when another one leads.
HOLD = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return redis.call('INCR', KEYS[2]) end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return tonumber(redis.call('GET', KEYS[2]))
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Lease:
    """This process's claim to lead."""

    def __init__(self, redis: RedisBytes) -> None:
        self.redis = redis
        # Says to a reader who leads; random, because a process id may come again.
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    async def hold(self) -> int | None:
        """Take or renew the lease; returns its fencing token, or None when another controller leads."""
        names = (keys.lease(CONTROLLER), keys.fence(CONTROLLER))
        token = await self.redis.eval(HOLD, 2, *names, self.owner, str(int(LEASE_SECONDS * 1000)))
        return int(token) or None

    async def release(self) -> None:
        """Let another controller lead at once instead of after the lease's end."""
        await self.redis.eval(RELEASE, 1, keys.lease(CONTROLLER), self.owner)
