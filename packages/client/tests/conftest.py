"""Records of a small job, and a stand-in orchestrator that answers from a script over real HTTP."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from contracts.jobs import JobSpec
from contracts.records import AttemptStats, EvaluationRecord, StepRecord
from contracts.views import Job, Progress
from socratic.cli import app
from typer.testing import CliRunner, Result

Script = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("SOCRATIC_URL", "SOCRATIC_HOME", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def spec() -> JobSpec:
    return JobSpec.model_validate(
        {"name": "small", "student": {"model": "m"}, "task": {"name": "materials"}, "training": {"steps": 3}}
    )


@pytest.fixture
def make_job(spec: JobSpec) -> Callable[..., Job]:
    def make(**members: Any) -> Job:
        progress = members.pop("progress", Progress(steps=3))
        return Job(
            **{"id": "job-1", "name": "small", "status": "running", "created_at": 1.0, "spec": spec} | members,
            progress=progress,
        )

    return make


@pytest.fixture
def step_records() -> list[StepRecord]:
    """Three steps; the second is cold."""
    attempt = AttemptStats(
        attempt=1, rows=8, correct=4, decay_factor=1, mean_advantage_correct=1, mean_advantage_wrong=-1
    )
    return [
        StepRecord.model_validate(
            dict.fromkeys(StepRecord.model_fields, 0)
            | {
                "step": step,
                "unassisted_accuracy": share,
                "guided_accuracy": round(share + 0.3, 2),
                "decay_factor": share,
            }
            | {"attempts": [attempt], "phase_seconds": {}, "cold": step == 2, "zero_gradient": step == 2}
            | {"logprob_gap_max": step * 1e-6, "failed_episodes": 1, "teacher_price_usd": 0.5}
        )
        for step, share in ((1, 0.3), (2, 0.0), (3, 0.6))
    ]


@pytest.fixture
def evaluation_records() -> list[EvaluationRecord]:
    """The base and the trained student on 240 questions."""
    return [
        EvaluationRecord(
            step=step,
            policy_version=step,
            questions=240,
            failed_episodes=0,
            unassisted_accuracy=unassisted,
            guided_accuracy=guided,
            format_rate=1.0,
            domains={},
            seconds=2.0,
        )
        for step, unassisted, guided in ((0, 0.33, 0.89), (3, 0.81, 0.93))
    ]


class ScriptedServer:
    """Answers the requests of each path from its list of scripts, the last one for ever; keeps what was asked."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Script]] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                scripted.asked.append((self.command, self.path, headers, self.rfile.read(length)))
                scripts = scripted.scripts[self.path.partition("?")[0]]
                (scripts.pop(0) if len(scripts) > 1 else scripts[0])(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def on(self, path: str, *scripts: Script) -> None:
        self.scripts[path] = list(scripts)


@pytest.fixture
def orchestrator() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    scripted.thread.start()
    yield scripted
    scripted.server.shutdown()
    scripted.thread.join()
    scripted.server.server_close()


@pytest.fixture
def answer() -> Callable[..., Script]:
    """A script that answers with JSON."""

    def with_json(body: Any, status: int = 200, kind: str = "application/json", **headers: str) -> Script:
        def script(handler: BaseHTTPRequestHandler) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            handler.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(data)

        return script

    return with_json


@pytest.fixture
def stream() -> Callable[..., Script]:
    """A script that sends these bytes as server-sent events and closes the connection, in the middle or not."""

    def with_bytes(*parts: bytes) -> Script:
        def script(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.end_headers()
            for part in parts:
                handler.wfile.write(part)
                handler.wfile.flush()

        return script

    return with_bytes
