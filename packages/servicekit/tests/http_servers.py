"""Servers of tests that speak HTTP byte by byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Speak = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Hands each whole request to `speak`; counts connections, and those that the client has closed."""

    def __init__(self, speak: Speak) -> None:
        self.speak = speak
        self.requests: list[bytes] = []
        self.connections = self.closed = 0
        self.tasks: list[asyncio.Task[None] | None] = []
        self.told = asyncio.Event()  # of a closed connection

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                await self.speak(self.requests[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed += 1
            self.told.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(speak: Speak, trust: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Server, str]]:
    """A server and its address."""
    server = Server(speak)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=trust)
    host = "localhost" if trust else "127.0.0.1"
    try:
        yield server, f"{'https' if trust else 'http'}://{host}:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for task in filter(None, server.tasks):
            task.cancel()


async def echo(request: bytes, writer: asyncio.StreamWriter) -> None:
    """The request's body, with its length told."""
    body = request.partition(b"\r\n\r\n")[2]
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def says(reply: bytes, then_close: bool = False) -> Speak:
    """The same bytes to every request."""

    async def speak(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        if then_close:
            await writer.drain()
            writer.close()

    return speak
