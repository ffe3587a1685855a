"""The body of a large request, read from its connection by whoever wants it, straight to where it belongs.

The server copies a body four times into fresh memory before a route sees it, and its event loop does nothing else
meanwhile. Here the loop lets go of the connection after the head, and a thread reads the rest as it would read a file.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from fastapi import Request
from servicekit.answers import WholeAnswers
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from student_inference.bodies import GONE, SILENCE_SECONDS, TooSlow, patience_for
from student_inference.config import ModelError

EXTENSION = "socratic.inflow"


class LettingGo(WholeAnswers):
    """The server's protocol, with an extension of ASGI that gives the connection of a request away."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.scope["extensions"] = {EXTENSION: partial(self.let_go, self.cycle)}  # type: ignore[dict-item]

    def let_go(self, cycle: RequestResponseCycle) -> tuple[bytes, socket.socket]:
        """What has arrived of a body, and the connection on which its rest will. Raises OSError when it is closed."""
        if self.transport.is_closing():
            raise ConnectionResetError
        self.flow.pause_reading()
        return bytes(cycle.body), socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno()))


class Inflow:
    """A body of `left` bytes. `arrived`: its beginning. Raises ModelError when its sender falls silent or goes away.

    And TooSlow when bytes are still wanted `seconds` after the first: until that one others had their turn.
    """

    def __init__(self, arrived: bytes, connection: socket.socket, left: int, seconds: float) -> None:
        self._arrived = memoryview(arrived)
        self._connection = connection
        self.left = left
        self._seconds = seconds
        self._deadline: float | None = None

    def readinto(self, room: memoryview, /) -> int:
        """The next bytes, as many as there are just now. Returns how many; 0 when all have been read."""
        now = time.monotonic()
        self._deadline = self._deadline or now + self._seconds
        if now > self._deadline:
            raise TooSlow(self._seconds)
        room = room[: self.left]
        count = self._from_memory(room) if self._arrived else self._from_connection(room)
        self.left -= count
        return count

    def _from_memory(self, room: memoryview) -> int:
        part, self._arrived = self._arrived[: len(room)], self._arrived[len(room) :]
        room[: len(part)] = part
        return len(part)

    def _from_connection(self, room: memoryview) -> int:
        try:
            count = self._connection.recv_into(room)
        except TimeoutError:
            raise ModelError(f"nothing of the body arrived for {SILENCE_SECONDS:.0f} s") from None
        except OSError:
            raise ModelError(GONE) from None
        if room and not count:
            raise ModelError(GONE)
        return count


@contextmanager
def inflow_of(http: Request, length: int) -> Iterator[Inflow]:
    """The body of a request, which must be answered by `Connection: close`. Raises ModelError when it has gone away."""
    try:
        arrived, connection = http.scope["extensions"][EXTENSION]()
    except OSError:
        raise ModelError(GONE) from None
    with connection:
        connection.settimeout(SILENCE_SECONDS)
        yield Inflow(arrived, connection, length, patience_for(length))
