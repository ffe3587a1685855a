"""Senders that always send a little more: they hold the one update that may be under way, but not for ever."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from student_inference import async_engine, bodies, inflow
from student_inference.app import create_app
from student_inference.config import ModelError
from student_inference.inflow import EXTENSION, Inflow

from .server import STOP_SECONDS
from .test_limits import settings
from .test_uploads import body_of

DRIPS = 50


@asynccontextmanager
async def serving(student: Path, sent: bytes = b"") -> AsyncIterator[httpx2.AsyncClient]:
    """The service in this process; the body of every upload is what was `sent` on a connection that stays open."""
    app = create_app(settings(student))
    with ExitStack() as senders:

        def let_go() -> tuple[bytes, socket.socket]:
            ours, theirs = socket.socketpair()
            senders.enter_context(ours).sendall(sent)
            return b"", theirs

        async def with_connection(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {EXTENSION: let_go}
            await app(scope, receive, send)

        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(with_connection)
            async with httpx2.AsyncClient(transport=transport, base_url="http://x", timeout=STOP_SECONDS) as http:
                yield http


async def upload(http: httpx2.AsyncClient, length: int) -> httpx2.Response:
    return await http.post("/upload_weights", headers={"Content-Length": str(length)})


async def served(http: httpx2.AsyncClient) -> str:
    answer = await http.post("/generate", json={"input_ids": [5]})
    return str(answer.json()["meta_info"]["weight_version"])


async def test_an_upload_that_is_not_there_in_time_is_given_up_and_the_next_is_taken(
    student: Path, other_student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(other_student)
    async with serving(student, sent=body) as http:
        monkeypatch.setattr(inflow, "patience_for", lambda length: 0.0)
        refused = await upload(http, len(body))
        assert (refused.status_code, refused.json()["success"]) == (408, False)
        assert "did not arrive within 0 s; the old weights stay" in refused.json()["message"]
        assert await served(http) == "default"
        monkeypatch.undo()
        taken = await upload(http, len(body))
        assert taken.status_code == 200, taken.text
        receipt = {"receipt": taken.json()["receipt"], "weight_version": "new"}
        assert (await http.post("/update_weights_from_upload", json=receipt)).status_code == 200
        assert await served(http) == "new"


async def test_so_is_a_preparation(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield json.dumps({"model_path": str(student), "weight_version": "x"}).encode() + b"\n"
        for _ in range(DRIPS):
            yield b" "
            await asyncio.sleep(0)

    async with serving(student) as http:
        monkeypatch.setattr(async_engine, "patience_for", lambda length: 0.0)
        refused = await http.post("/prepare_weights", content=dripping())
        assert (refused.status_code, refused.json()["success"]) == (408, False)
        monkeypatch.undo()
        assert (await http.post("/prepare_weights", content=dripping())).status_code == 400
        assert await served(http) == "default"


def test_time_counts_from_the_first_byte_that_is_asked_for() -> None:
    """Until then the engine was at another upload."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"cdef")
        body, room = Inflow(b"ab", ours, left=6, seconds=0.0), memoryview(bytearray(2))
        assert body.readinto(room) == 2
        with pytest.raises(ModelError, match="did not arrive"):
            body.readinto(room)


def test_patience_grows_with_the_length() -> None:
    assert bodies.patience_for(0) == bodies.SILENCE_SECONDS
    assert bodies.patience_for(10**9) == bodies.SILENCE_SECONDS + 200
