"""Real CPU engines that can be killed and started again, and a liar on the network before one."""

import json
import os
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# Importing torch takes two seconds on a quiet machine, many on a loaded one.
START_SECONDS = 90.0


class EngineProcess:
    """`python -m student_inference` at one port for as long as the test lives."""

    def __init__(self, model: Path, port: int, log: Path, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.log = log
        values = {"MODEL_PATH": str(model), "PORT": str(port), "MAX_TOTAL_TOKENS": "8192", "ALLOWED_ROOTS": '["/"]'}
        self.environment = {f"STUDENT_INFERENCE_{name}": value for name, value in (values | settings).items()}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns at once."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "student_inference"],
                env=os.environ | self.environment,
                stdout=output,
                stderr=output,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.05)

    def answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Proxy:
    """HTTP before a real engine. Faults: `lies` (says that it swapped, and did not), `hang` (paths that never answer),
    `absent` (paths that it does not have), and `before` (called with each path on its way in)."""

    def __init__(self, target: EngineProcess) -> None:
        self.target = target
        self.lies = False
        self.claimed: str | None = None
        self.hang: set[str] = set()
        self.absent: set[str] = set()
        self.released = threading.Event()
        self.before: Any = lambda path: None
        self.server = Server(("127.0.0.1", 0), handler_of(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if path.split("?")[0] in self.absent:
            return 404, b'{"detail": "Not Found"}'
        if self.lies and path == "/update_weights_from_disk":
            self.claimed = json.loads(body)["weight_version"]
            return 200, json.dumps({"success": True, "message": "Succeeded"}).encode()
        connection = HTTPConnection("127.0.0.1", self.target.port, timeout=START_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if self.lies and self.claimed is not None and path in ("/model_info", "/generate"):
                answer = relabelled(json.loads(answer), self.claimed)
            return response.status, answer
        finally:
            connection.close()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class Server(ThreadingHTTPServer):
    """A thread for each connection; none outlives the test."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients hang up in the middle of an answer."""


def handler_of(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    """Passes everything on to the proxy."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.forward(b"")

        def do_POST(self) -> None:
            self.forward(body_of(self))

        def forward(self, body: bytes) -> None:
            path = self.path.split("?")[0]
            proxy.before(path)
            if path in proxy.hang:
                proxy.released.wait()
                self.close_connection = True
                return
            try:
                status, answer = proxy.answer(self.command, self.path, body)
            except (OSError, HTTPException):
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Tests read no access log."""

    return Handler


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """The whole body, however it is sent: at once, or in chunks while its sender still makes it."""
    if "chunked" not in request.headers.get("Transfer-Encoding", ""):
        return request.rfile.read(int(request.headers["Content-Length"] or 0))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body


def relabelled(answer: dict[str, Any], version: str) -> bytes:
    """The answer under the name of other weights."""
    for part in (answer, answer.get("meta_info", {})):
        if "weight_version" in part:
            part["weight_version"] = version
        for span in part.get("weight_versions", []):
            span["version"] = version
    return json.dumps(answer).encode()
