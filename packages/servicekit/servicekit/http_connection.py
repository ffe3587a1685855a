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


class TooLong(ConnectionError):
    """A reply that would fill the memory is not read to its end."""


class Connection(asyncio.Protocol):
    """Requests go out by `exchange`; `free` tells whether another one may. The on_ methods are httptools' callbacks."""

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, most_bytes: int = MOST_REPLY_BYTES) -> None:
        self.loop = loop
        self.most_bytes = most_bytes
        self.parser = httptools.HttpResponseParser(self)
        self.reply: asyncio.Future[Reply] | None = None
        self.kept = True  # as far as the last reply tells
        self.lost = False
        self.used_at = loop.time()
        self.until_end = False  # the reply under way tells no length (HTTP/1.0): the connection's end is its own

    @property
    def free(self) -> bool:
        """Nothing is under way, and the other side has not closed it."""
        return self.reply is None and self.kept and not self.lost and not self.transport.is_closing()

    async def exchange(self, request: bytes, seconds: float | None = None) -> Reply:
        """Send a whole request and return its reply.

        Raises TimeoutError after so many seconds, TooLong, ConnectionError when the other side breaks off or does not
        speak HTTP. Then, or cancelled, the connection is of no more use: `free` stays False.
        """
        reply: asyncio.Future[Reply] = self.loop.create_future()
        self.reply = reply
        self.kept = False
        self.retry_after: int | None = None
        self.pieces: list[bytes] = []
        self.length = 0
        self.framed = self.until_end = False
        timer = None if seconds is None else self.loop.call_later(seconds, self._fail, TimeoutError())
        self.transport.write(request)
        try:
            return await reply
        finally:
            if timer is not None:
                timer.cancel()
            self.reply = None
            self.used_at = self.loop.time()

    def close(self) -> None:
        """At once, whatever is under way."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by name

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if error is None and self.until_end:
            self.on_message_complete()
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
        match name.lower():
            case b"retry-after":
                self.retry_after = parse_retry_after(value.decode("latin-1"))
            case b"content-length" | b"transfer-encoding":
                self.framed = True

    def on_headers_complete(self) -> None:
        self.until_end = not self.framed and self.parser.get_status_code() >= 200

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.length += len(piece)
        if self.length > self.most_bytes:
            self._fail(TooLong(f"the reply is longer than {self.most_bytes} bytes"))

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
