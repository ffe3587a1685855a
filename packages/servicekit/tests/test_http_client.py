"""The HTTP client against servers that speak HTTP byte by byte: a reply reaches its own request or nobody."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pydantic import SecretStr
from servicekit import http_client
from servicekit.http_client import Connections, Door
from servicekit.http_connection import Reply, TooLong

from .http_servers import echo, says, serving


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    async with Connections() as opened:
        yield opened


async def post(connections: Connections, url: str, body: bytes = b"{}", seconds: float = 10.0) -> Reply:
    return await Door(connections, url, None).post(body, seconds)


async def test_what_is_sent(connections: Connections) -> None:
    async with serving(echo) as (server, url):
        door = Door(connections, f"{url}/v1/guidance", SecretStr("the-key"))
        assert await door.post(b'{"a": 1}', 10.0) == Reply(200, b'{"a": 1}', None)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body) == ("POST /v1/guidance HTTP/1.1", b'{"a": 1}')
    assert {f"Host: {url.removeprefix('http://')}", "Content-Length: 8", "Authorization: Bearer the-key"} < {*lines}


async def test_connections_are_kept_and_no_more_are_made_than_requests_are_under_way(connections: Connections) -> None:
    async with serving(echo) as (server, url):
        door = Door(connections, url, None)
        for _ in range(3):
            bodies = [str(number).encode() for number in range(20)]
            replies = await asyncio.gather(*[door.post(body, 10.0) for body in bodies])
            assert [reply.body for reply in replies] == bodies
        assert server.connections == 20


async def test_the_block_ends_every_connection() -> None:
    async with serving(echo) as (server, url):
        async with Connections() as connections:
            await post(connections, url)
            assert (server.connections, server.closed) == (1, 0)
        await asyncio.wait_for(server.told.wait(), 10)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\n\r\n3\r\nyes\r\n3\r\n...\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 6\r\n\r\nyes...",
        b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After:7\r\nContent-Length:6\r\n\r\nyes...",
    ],
    ids=["chunked", "100", "103"],
)
async def test_replies_in_every_form_and_in_any_pieces(connections: Connections, reply: bytes) -> None:
    async def bytewise(request: bytes, writer: asyncio.StreamWriter) -> None:
        for index in range(len(reply)):
            writer.write(reply[index : index + 1])
            await asyncio.sleep(0)

    for speak in (says(reply), bytewise):
        async with serving(speak) as (server, url):
            door = Door(connections, url, None)
            for _ in range(2):
                assert await door.post(b"{}", 10.0) == Reply(503, b"yes...", 7)
            assert server.connections == 1


async def test_retry_after_may_be_a_date(connections: Connections) -> None:
    reply = b"HTTP/1.1 429 Slow\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n"
    async with serving(says(reply)) as (_, url):
        assert await post(connections, url) == Reply(429, b"", 0)


async def test_a_connection_that_the_other_side_will_close_is_not_used_again(connections: Connections) -> None:
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with serving(says(reply)) as (server, url):
        door = Door(connections, url, None)
        assert [(await door.post(b"{}", 10.0)).body for _ in range(2)] == [b"ok", b"ok"]
        assert server.connections == 2


async def test_an_idle_connection_that_was_closed_is_replaced_without_an_error(connections: Connections) -> None:
    async with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", then_close=True)) as (server, url):
        door = Door(connections, url, None)
        await door.post(b"{}", 10.0)
        while door.kept[0].free:  # noqa: ASYNC110  # the transport tells nobody
            await asyncio.sleep(0.01)
        assert (await door.post(b"{}", 10.0)).body == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_late_reply_reaches_nobody(connections: Connections, cancelled: bool) -> None:
    """The next request would take it for its own."""
    asked, answering = asyncio.Event(), asyncio.Event()

    async def late(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answering.wait()
        await echo(request, writer)

    async with serving(late) as (server, url):
        door = Door(connections, url, None)
        first = asyncio.create_task(door.post(b"first", 10.0 if cancelled else 0.1))
        await asked.wait()
        if cancelled:
            first.cancel()
        (outcome,) = await asyncio.gather(first, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError if cancelled else TimeoutError)
        asked.clear()
        second = asyncio.create_task(door.post(b"next", 10.0))
        await asyncio.wait_for(asked.wait(), 10)
        answering.set()
        assert (await second).body == b"next"
        await asyncio.wait_for(server.told.wait(), 10)
        assert (server.connections, server.closed) == (2, 1)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_who_waited_in_vain_leaves_the_connections_that_were_silent_meanwhile(
    connections: Connections, cancelled: bool
) -> None:
    """Three are kept when the network loses two of them, and the third is used while one request waits."""
    lost: set[Any] = set()
    met = asyncio.Barrier(3)

    async def speak(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request.endswith(b"together"):
            await met.wait()
        if writer.get_extra_info("peername") not in lost:
            await echo(request, writer)

    async with serving(speak) as (server, url):
        door = Door(connections, url, None)
        await asyncio.gather(*(door.post(b"together", 10.0) for _ in range(3)))
        alive = door.kept.pop()
        lost.update(connection.transport.get_extra_info("sockname") for connection in door.kept)
        waiting = asyncio.create_task(door.post(b"in vain", 10.0 if cancelled else 0.2))
        await asyncio.sleep(0)
        door.kept.append(alive)
        assert (await door.post(b"meanwhile", 10.0)).body == b"meanwhile"
        if cancelled:
            waiting.cancel()
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError if cancelled else TimeoutError)
        assert door.kept == [alive]
        assert (await door.post(b"after", 10.0)).body == b"after"
        assert server.connections == 3


async def test_a_reply_that_nobody_asked_for_reaches_nobody(connections: Connections) -> None:
    once = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    async with serving(says(once + b"one" + once + b"two")) as (server, url):
        door = Door(connections, url, None)
        assert [(await door.post(b"{}", 10.0)).body for _ in range(3)] == [b"one"] * 3
        assert server.connections == 3


@pytest.mark.parametrize(
    ("reply", "says_why"),
    [
        (b"", "ended before the reply"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "ended before the reply"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "not HTTP"),
    ],
    ids=["nothing", "cut", "not http", "upgrade"],
)
async def test_a_broken_reply_may_pass(connections: Connections, reply: bytes, says_why: str) -> None:
    async with serving(says(reply, then_close=True)) as (_, url):
        with pytest.raises(ConnectionError, match=says_why):
            await post(connections, url)
    assert not connections.opened


async def test_a_reply_without_a_length_lasts_until_the_connection_ends(connections: Connections) -> None:
    async with serving(says(b"HTTP/1.0 200 OK\r\nServer: BaseHTTP\r\n\r\nuntil the end", then_close=True)) as (_, url):
        door = Door(connections, url, None)
        assert [(await door.post(b"{}", 10.0)).body for _ in range(2)] == [b"until the end"] * 2
    assert not connections.opened


async def test_a_reply_that_is_too_long_is_broken_off(connections: Connections) -> None:
    async with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b" " * 2000)) as (_, url):
        with pytest.raises(TooLong, match="longer than 1000 bytes"):
            await Door(connections, url, None, most_bytes=1000).post(b"{}", 10.0)
    assert not connections.opened


async def test_what_nobody_used_for_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "IDLE_SECONDS", 0.05)
    asked, answering = asyncio.Event(), asyncio.Event()

    async def patient(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request.endswith(b"wait"):
            asked.set()
            await answering.wait()
        await echo(request, writer)

    async with serving(patient) as (server, url), Connections() as connections:
        door = Door(connections, url, None)
        busy = asyncio.create_task(door.post(b"wait", 10.0))
        await asked.wait()
        await door.post(b"{}", 10.0)
        await asyncio.wait_for(server.told.wait(), 10)
        assert (server.connections, server.closed, len(connections.opened)) == (2, 1, 1)
        answering.set()
        assert (await busy).body == b"wait"


async def test_nobody_listens(connections: Connections, unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        await post(connections, f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(socket.gaierror):
        await post(connections, "http://no-such-name.invalid")


async def test_https_trusts_the_systems_certificates_only(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *files, *name]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    async with serving(echo, trust) as (_, url):
        with pytest.raises(ssl.SSLCertVerificationError):
            await post(connections, url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
        assert (await post(connections, url, b"secret")).body == b"secret"


@pytest.mark.parametrize(
    "scenario",
    [
        test_what_is_sent,
        test_connections_are_kept_and_no_more_are_made_than_requests_are_under_way,
        test_an_idle_connection_that_was_closed_is_replaced_without_an_error,
        test_a_reply_that_nobody_asked_for_reaches_nobody,
        partial(test_a_late_reply_reaches_nobody, cancelled=False),
        partial(test_a_late_reply_reaches_nobody, cancelled=True),
        partial(test_a_broken_reply_may_pass, reply=b"HTTP/1.1 200 OK\r\n", says_why="ended before the reply"),
    ],
)
def test_the_same_on_the_services_loop(scenario: Callable[[Connections], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with Connections() as connections:
            await scenario(connections)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
