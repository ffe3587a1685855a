"""The head of an HTTP answer travels with its body: one system call and one packet where uvicorn makes two."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = b"HTTP/"


class OneWrite:
    """A transport on which a head waits for the body that follows in the same turn of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_closing = transport.is_closing  # asked for with each answer
        self._head = b""
        self._turn: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """The head of a stream, whose body comes later, leaves at the next turn."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
            self._transport.writelines((self._head, data))
        elif data.startswith(HEAD):
            self._head, self._turn = data, asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """What was written is sent first."""
        if self._turn is not None:
            self._turn.cancel()
            self._flush()
        self._transport.close()

    def _flush(self) -> None:
        self._turn = None
        self._transport.write(self._head)


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's protocol on such a transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(OneWrite(transport))  # type: ignore[arg-type]
