"""The far side of the network: a teacher that passes on to the tutor, until it is told to misbehave."""

import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Manner = Literal["honest", "garbage", "huge", "never"]
HUGE_BYTES = 10 * 2**20
# Longer than any deadline of the job: whoever waits for this answer gives up first.
NEVER_SECONDS = 600.0
TUTOR_SECONDS = 30.0


class Teacher:
    """An OpenAI-compatible server; `tutor()` says where the real one is."""

    def __init__(self, tutor: Callable[[], str]) -> None:
        self.tutor = tutor
        self.manner: Manner = "honest"
        self.asked: dict[Manner, int] = dict.fromkeys(("honest", "garbage", "huge", "never"), 0)
        self.closed = threading.Event()
        teacher = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = teacher.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nobody reads an access log."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A gateway that was killed, or gave up, hangs up in the middle of an answer."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        """(status, body) in the present manner."""
        self.asked[self.manner] += 1
        if self.manner == "garbage":
            return 200, b'{"choices": [{"mess\xff\x00'
        if self.manner == "huge":
            return 200, b'{"choices":"' + b"a" * HUGE_BYTES + b'"}'
        if self.manner == "never":
            self.closed.wait(NEVER_SECONDS)
        return self.ask_tutor(path, body)

    def ask_tutor(self, path: str, body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection(urlsplit(self.tutor()).netloc, timeout=TUTOR_SECONDS)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 503, b'{"error": {"message": "the tutor is away"}}'
        finally:
            connection.close()

    def close(self) -> None:
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()
