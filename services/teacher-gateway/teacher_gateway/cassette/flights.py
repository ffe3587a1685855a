"""One flight for equal guidances: who asks for what is being asked for waits, and finds it recorded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

import structlog
from contracts import keys
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import RedisError

from teacher_gateway.failures import TeacherFailure

# A gateway that dies frees its flights after so long; one that lives renews them three times within it.
LEASE_SECONDS = 6.0
RENEWALS = 3
# Between looks at a flight of another gateway: little beside the seconds that a teacher takes.
LOOK_SECONDS = 0.1
log = structlog.get_logger()


class Flights:
    """Of one gateway process, and of all that share its Redis.

    When a flight fails, the next in line asks for itself: a failure is nobody else's.
    """

    def __init__(self, redis: Redis | None = None) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._redis = redis

    @asynccontextmanager
    async def only(self, cassette: str, key: str, deadline: float) -> AsyncIterator[None]:
        """Be the only one with this key. Raises a 504 TeacherFailure when the others take until `deadline`."""
        lock = self._locks.setdefault((cassette, key), asyncio.Lock())
        try:
            async with asyncio.timeout_at(deadline):
                await lock.acquire()
        except TimeoutError:
            raise too_late() from None
        try:
            async with self._lease(keys.flight(cassette, key), deadline):
                yield
        finally:
            lock.release()

    @asynccontextmanager
    async def _lease(self, name: str, deadline: float) -> AsyncIterator[None]:
        """Among all gateways. A Redis that does not answer leaves it to this process: one may be paid for twice."""
        if self._redis is None:
            yield
            return
        lease = Lock(self._redis, name, timeout=LEASE_SECONDS, sleep=LOOK_SECONDS, thread_local=False)
        patience = max(0.0, deadline - asyncio.get_running_loop().time())
        try:
            if not await lease.acquire(blocking_timeout=patience):
                raise too_late()
        except RedisError as error:
            log.warning("flight_not_shared", cause=type(error).__name__)
            yield
            return
        renewing = asyncio.create_task(renew(lease))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(RedisError):  # it ends by itself
                await lease.release()


async def renew(lease: Lock) -> None:
    """Until cancelled, or until Redis does not know this lease any more."""
    with suppress(RedisError):
        while True:
            await asyncio.sleep(LEASE_SECONDS / RENEWALS)
            await lease.reacquire()


def too_late() -> TeacherFailure:
    """The flight that was waited for did not end in time."""
    detail = "An equal guidance was asked for at the same time and did not come; raise teacher.timeout_seconds."
    return TeacherFailure(504, "teacher_timeout", detail)
