"""A connection to Redis after redis-py has made it (decision 30): for commands that are answered by one string."""

import asyncio
from typing import cast

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import InvalidResponse, NoScriptError, ResponseError
from redis.exceptions import TimeoutError as TimedOut
from servicekit.redis_connection import REDIS_SECONDS

LINE_END = b"\r\n"


class Wire(asyncio.Protocol):
    """One command at a time. redis-py's way to a reply (reader, parser, time-out) is some twenty calls."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._reply: asyncio.Future[bytes] | None = None
        self._data = b""
        transport.set_protocol(self)

    async def ask(self, command: bytes) -> bytes:
        """The reply. Raises redis.ConnectionError and TimeoutError, after which the connection is of no more use, and
        ResponseError."""
        if self.transport.is_closing():
            raise ConnectionLost("the connection to Redis ended")
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        self._reply = reply
        timer = loop.call_later(REDIS_SECONDS, self._give_up)
        self.transport.write(command)
        try:
            return await reply
        except asyncio.CancelledError:  # the reply that is still to come is no other command's
            self.transport.abort()
            raise
        finally:
            timer.cancel()
            self._reply = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        kind, _, rest = self._data.partition(LINE_END)
        if not self._data.endswith(LINE_END) or (kind[:1] == b"$" and len(rest) < int(kind[1:]) + len(LINE_END)):
            return
        self._data = b""
        if self._reply is None or self._reply.done() or kind[:1] not in (b"$", b"-"):
            self._fail(InvalidResponse(f"Redis said what nobody asked for: {kind!r}"))
        elif kind[:1] == b"-":
            self._reply.set_exception(error_of(kind[1:].decode(errors="replace")))
        else:
            self._reply.set_result(rest[: -len(LINE_END)])

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(ConnectionLost(f"the connection to Redis ended: {error}"))

    def _give_up(self) -> None:
        self._fail(TimedOut(f"no reply of Redis within {REDIS_SECONDS} s"))

    def _fail(self, error: Exception) -> None:
        self.transport.abort()
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)


async def open_wire(connection: Connection) -> Wire:
    """redis-py finds the address, encrypts, gives the password and chooses the database; then it hands over.

    Raises redis.RedisError.
    """
    await connection.disconnect(nowait=True)  # the one before
    await connection.connect()  # type: ignore[no-untyped-call]
    assert connection._writer is not None
    return Wire(cast(asyncio.Transport, connection._writer.transport))


def error_of(text: str) -> ResponseError:
    """What Redis calls an error, which begins with its kind."""
    return NoScriptError(text) if text.startswith("NOSCRIPT ") else ResponseError(text)
