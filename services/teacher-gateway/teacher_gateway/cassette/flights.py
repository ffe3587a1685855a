"""One flight for equal guidances: who asks for what is being asked for waits, and finds it recorded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from teacher_gateway.failures import TeacherFailure


class Flights:
    """Of one gateway process. When a flight fails, the next in line asks for itself: a failure is nobody else's."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def only(self, cassette: str, key: str, deadline: float) -> AsyncIterator[None]:
        """Be the only one with this key. Raises a 504 TeacherFailure when the others take until `deadline`."""
        lock = self._locks.setdefault((cassette, key), asyncio.Lock())
        try:
            async with asyncio.timeout_at(deadline):
                await lock.acquire()
        except TimeoutError:
            detail = "An equal guidance was asked for at the same time and did not come; raise teacher.timeout_seconds."
            raise TeacherFailure(504, "teacher_timeout", detail) from None
        try:
            yield
        finally:
            lock.release()
