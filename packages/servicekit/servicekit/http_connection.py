"""One kept HTTP/1.1 connection, which carries one request at a time; httptools reads the replies (decision 24)."""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools

from servicekit.retry_after import parse_retry_after

# Thousands of tokens with log-probabilities are a megabyte; more than this is no reply of an engine or a gateway.
MOST_REPLY_BYTES = 2**26
SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Reply:
    """Any HTTP answer. `retry_after`: seconds from now, from the header of that name."""

    status: int
    body: bytes
    retry_after: int | None

    @property
    def shown(self) -> str:
        """The start of the body, for a message."""
        return self.body.decode(errors="replace")[:SHOWN_CHARACTERS]


class Connection(asyncio.Protocol):
    """Requests go out by `exchange`; `free` tells whether another one may. The on_ methods are httptools' callbacks."""

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.parser = httptools.HttpResponseParser(self)
        self.reply: asyncio.Future[Reply] | None = None
        self.kept = True  # as far as the last reply tells
        self.lost = False

    @property
    def free(self) -> bool:
        """Nothing is under way, and the other side has not closed it."""
        return self.reply is None and self.kept and not self.lost and not self.transport.is_closing()

    async def exchange(self, request: bytes, seconds: float) -> Reply:
        """Send a whole request and return its reply.

        Raises TimeoutError after so many seconds, ConnectionError when the other side breaks off or does not speak
        HTTP. Then, or cancelled, the connection is of no more use: `free` stays False.
        """
        reply: asyncio.Future[Reply] = self.loop.create_future()
        self.reply = reply
        self.kept = False
        self.retry_after: int | None = None
        self.pieces: list[bytes] = []
        self.length = 0
        timer = self.loop.call_later(seconds, self._fail, TimeoutError())
        self.transport.write(request)
        try:
            return await reply
        finally:
            timer.cancel()
            self.reply = None

    def close(self) -> None:
        """At once, whatever is under way."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by name

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._fail(ConnectionError(str(error) if error else "the connection ended before the reply"))

    def data_received(self, data: bytes) -> None:
        if self.reply is None:  # nobody asked
            self.close()
            return
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"the reply is not HTTP: {error}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = parse_retry_after(value.decode("latin-1"))

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.length += len(piece)
        if self.length > MOST_REPLY_BYTES:
            self._fail(ConnectionError(f"the reply is longer than {MOST_REPLY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:  # announces the reply that follows
            return
        if self.reply is None or self.reply.done():  # nobody asked for this one
            self.kept = False
            return
        self.kept = self.parser.should_keep_alive()
        self.reply.set_result(Reply(status, b"".join(self.pieces), self.retry_after))

    def _fail(self, error: Exception) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(error)
