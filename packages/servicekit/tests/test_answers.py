"""What uvicorn writes for one answer, seen where it leaves the process."""

import asyncio
from typing import Any

from servicekit.answers import WholeAnswers
from servicekit.observation import App, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
LAST_REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"


class Wire(asyncio.Transport):
    """The far end of a connection: keeps what comes, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def resume_reading(self) -> None:
        pass


async def connected(app: App) -> tuple[WholeAnswers, Wire]:
    config = Config(app, log_config=None, lifespan="off")
    config.load()
    protocol, wire = WholeAnswers(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    return protocol, wire


async def settled(protocol: WholeAnswers) -> None:
    """Until the app has answered, and one turn of the loop more."""
    await asyncio.gather(*protocol.tasks)
    await asyncio.sleep(0)


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_head_and_body_leave_together() -> None:
    protocol, wire = await connected(whole)
    for _ in range(2):
        protocol.data_received(REQUEST)
        await settled(protocol)
    assert [(written[:15], written[-9:]) for written in wire.writes] == [(b"HTTP/1.1 200 OK", b"\r\n\r\nhello")] * 2
    assert not wire.closed


async def test_an_answer_is_whole_before_its_connection_closes() -> None:
    protocol, wire = await connected(whole)
    protocol.data_received(LAST_REQUEST)
    await settled(protocol)
    assert [written[-9:] for written in wire.writes] == [b"\r\n\r\nhello"]
    assert wire.closed


async def test_the_head_of_a_stream_does_not_wait_for_its_body() -> None:
    more = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await more.wait()
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    protocol, wire = await connected(stream)
    protocol.data_received(REQUEST)
    for _ in range(5):  # turns of the loop: the app's first step, and the one after it
        await asyncio.sleep(0)
    assert wire.writes[0].endswith(b"\r\n\r\n")
    more.set()
    await settled(protocol)
    assert wire.writes[1:] == [b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n"]


async def test_a_connection_that_is_refused_hears_why() -> None:
    protocol, wire = await connected(whole)
    protocol.data_received(b"nonsense\r\n\r\n")
    assert wire.writes[0].startswith(b"HTTP/1.1 400 ")
    assert wire.closed
