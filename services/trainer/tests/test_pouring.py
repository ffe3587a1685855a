"""Bodies that are poured into a connection, before servers that may not want all of it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from trainer.engine import Engine, EngineError
from trainer.pouring import post

SECONDS = 30.0
ANSWER = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"


@contextmanager
def server_that(answers: bytes) -> Iterator[str]:
    """Reads a head and nothing of its body, answers, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(1)
                connection.sendall(answers)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/upload_weights"
        thread.join(SECONDS)


def pour(to: socket.socket) -> None:
    for _ in range(64):
        to.sendall(bytes(2**20))


def test_a_refusal_that_comes_before_the_end_of_the_body_is_heard() -> None:
    with server_that(ANSWER) as url:
        assert post(url, {"X": "y"}, 64 * 2**20, pour, SECONDS) == (413, b"no!")


def test_who_hangs_up_without_a_word_is_an_engine_error() -> None:
    with server_that(b"") as url:
        engine = Engine(url.removesuffix("/upload_weights"))
        with pytest.raises(EngineError, match="/upload_weights"):
            engine.upload(64 * 2**20, pour, SECONDS)
        engine.close()


def test_an_engine_that_is_not_there_is_an_engine_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        engine = Engine(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(EngineError, match="refused"):
        engine.upload(3, pour, SECONDS)
    engine.close()
