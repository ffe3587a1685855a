"""A student engine for tests: SGLang's answers over real HTTP, computed by transformers itself."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

Route = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A trainer that was killed hangs up in the middle of an answer."""


class StandInEngine:
    """Set `faults` to make it misbehave on a swap.

    refusing: answers 500. stale: answers 200 and the new version, but keeps the old weights. mislabelled: 200, loads
    the weights, but keeps the old version's name.
    """

    def __init__(self, student: Path) -> None:
        self.faults: set[str] = set()
        self.version = "default"
        self.swaps: list[str] = []
        self.model = load(student)
        self.paused = False
        self.routes: dict[str, Route] = {
            "/update_weights_from_disk": self.swap,
            "/generate": lambda body: self.generate(body),
            "/pause_generation": lambda _: self.set_paused(True),
            "/continue_generation": lambda _: self.set_paused(False),
        }
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, {"weight_version": engine.version})

            def do_POST(self) -> None:
                route = engine.routes.get(self.path)
                if route is None:  # as SGLang answers for what it does not have, before it has read the body
                    self.close_connection = True
                    self.answer(404, {"detail": "Not Found"})
                else:
                    self.answer(*route(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

            def answer(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Tests read no access log."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def set_paused(self, paused: bool) -> tuple[int, dict[str, Any]]:
        self.paused = paused
        return 200, {"status": "ok"}

    def swap(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "refusing" in self.faults:
            return 500, {"success": False, "message": "out of memory"}
        if "stale" not in self.faults:
            self.model = load(Path(body["model_path"]))
        if "mislabelled" not in self.faults:
            self.version = body["weight_version"]
        self.swaps.append(body["weight_version"])
        return 200, {"success": True, "message": ""}

    def generate(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        tokens = torch.tensor([body["input_ids"]])
        with torch.no_grad():
            logprobs = torch.log_softmax(self.model(tokens).logits[0], dim=-1)
        triples: list[list[Any]] = [[None, body["input_ids"][0], None]]
        for position, token in enumerate(body["input_ids"][1:]):
            triples.append([float(logprobs[position, token]), token, None])
        return 200, {"output_ids": [0], "meta_info": {"input_token_logprobs": triples}}


def load(directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
