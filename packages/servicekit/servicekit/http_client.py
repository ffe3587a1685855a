"""POST with JSON over kept connections (decision 24)."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from urllib.parse import urlsplit

import aiohappyeyeballs
from pydantic import SecretStr

from servicekit.http_connection import MOST_REPLY_BYTES, Connection, Reply
from servicekit.keepalive import open_socket

# Connecting takes milliseconds, around the world half a second, unless the address is gone.
CONNECT_SECONDS = 5.0
# Longer than the pauses of a busy client; servers that end idle connections themselves mostly do so earlier.
IDLE_SECONDS = 60.0
# A name that leads elsewhere now is followed after so long; hundreds of connections at once ask for it once.
RESOLVE_AGAIN_SECONDS = 10.0
# RFC 8305: the head start of IPv6 where a name has both.
HEAD_START_SECONDS = 0.25
PORTS = {"http": 80, "https": 443}


class Connections(AbstractAsyncContextManager["Connections"]):
    """All connections of a process, which end with the block; the requests in flight bound their number."""

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.opened: set[Connection] = set()

    async def __aenter__(self) -> "Connections":
        self.loop = asyncio.get_running_loop()
        self.look = self.loop.call_later(IDLE_SECONDS, self._close_idle)
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.look.cancel()
        for connection in self.opened:
            connection.close()
        self.opened.clear()
        await asyncio.sleep(0)  # the transports end in the next turn of the loop

    def close(self, connection: Connection) -> None:
        """End one, which finds no use again."""
        connection.close()
        self.opened.discard(connection)

    def _close_idle(self) -> None:
        """What was needed at the busiest moment is not held for ever, though the other side might."""
        now = self.loop.time()
        for connection in [*self.opened]:
            if connection.free and now - connection.used_at >= IDLE_SECONDS:
                self.close(connection)
        self.look = self.loop.call_later(IDLE_SECONDS, self._close_idle)


class Door:
    """An address that gets POSTs with JSON: what is the same in each is made once."""

    def __init__(
        self, connections: Connections, url: str, key: SecretStr | None, most_bytes: int = MOST_REPLY_BYTES
    ) -> None:
        """most_bytes: of a reply's body; TooLong beyond."""
        self.connections = connections
        self.url = url
        self.most_bytes = most_bytes
        self.parts = urlsplit(url)
        self.head = head_of(self.parts.path, self.parts.netloc.rpartition("@")[2], key)
        self.kept: list[Connection] = []
        self.addresses: Sequence[aiohappyeyeballs.AddrInfoType] = []
        self.resolved_at = float("-inf")
        self.resolving = asyncio.Lock()

    async def post(self, body: bytes, seconds: float | None = None) -> Reply:
        """The whole reply. Raises TimeoutError when there is none within so many seconds, else OSError.

        seconds: None where the caller has a deadline of its own.
        """
        time = self.connections.loop.time
        deadline = None if seconds is None else time() + seconds
        connection = self._free_connection() or await self._connect(seconds)
        asked_at = time()
        left = None if deadline is None else deadline - asked_at
        try:
            return await connection.exchange(self.head + b"%d\r\n\r\n" % len(body) + body, left)
        except (TimeoutError, asyncio.CancelledError):
            self._leave_silent(asked_at)
            raise
        finally:
            self._keep_or_close(connection)

    def _free_connection(self) -> Connection | None:
        """The one that was used last, so that surplus ones are closed by the other side."""
        while self.kept:
            connection = self.kept.pop()
            if connection.free:
                return connection
            self._keep_or_close(connection)
        return None

    def _keep_or_close(self, connection: Connection) -> None:
        if connection.free:
            self.kept.append(connection)
        else:
            self.connections.close(connection)

    def _leave_silent(self, since: float) -> None:
        """Who waited in vain must not wait again on the next connection: a network that loses one loses its neighbours,
        and does not say so. Those that were used since then are not lost."""
        silent = [connection for connection in self.kept if connection.used_at < since]
        self.kept = [connection for connection in self.kept if connection.used_at >= since]
        for connection in silent:
            self.connections.close(connection)

    async def _connect(self, seconds: float | None) -> Connection:
        """A new connection. Raises OSError; TimeoutError is one."""
        loop = self.connections.loop
        async with asyncio.timeout(seconds):
            addresses = await self._resolve()
            async with asyncio.timeout(CONNECT_SECONDS):
                connected = await aiohappyeyeballs.start_connection(
                    addresses, loop=loop, happy_eyeballs_delay=HEAD_START_SECONDS, socket_factory=open_socket
                )
            name = self.parts.hostname if self.trust else None
            _, connection = await loop.create_connection(
                lambda: Connection(loop, self.most_bytes), sock=connected, ssl=self.trust, server_hostname=name
            )
        self.connections.opened.add(connection)
        return connection

    async def _resolve(self) -> Sequence[aiohappyeyeballs.AddrInfoType]:
        loop = self.connections.loop
        async with self.resolving:
            if loop.time() - self.resolved_at > RESOLVE_AGAIN_SECONDS:
                host, port = self.parts.hostname, self.parts.port or PORTS[self.parts.scheme]
                self.addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                self.resolved_at = loop.time()
        return self.addresses

    @cached_property
    def trust(self) -> ssl.SSLContext | None:
        """The system's certificates, for https."""
        return ssl.create_default_context() if self.parts.scheme == "https" else None


def head_of(path: str, host: str, key: SecretStr | None) -> bytes:
    """A request up to the number of bytes of its body."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: socratic",
        "Content-Type: application/json",
        "Accept: application/json",
    ]
    if key is not None:
        lines.append(f"Authorization: Bearer {key.get_secret_value()}")
    return "\r\n".join([*lines, "Content-Length: "]).encode()
