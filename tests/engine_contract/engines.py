"""Engines that speak SGLang's HTTP API, started as their users start them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import torch
from safetensors.torch import load_file, save_file

from ..stacks import REPOSITORY

# SGLang needs some 35 s on a quiet machine, and has taken over four minutes where eight processes shared two cores.
START_SECONDS = 600.0
STOP_SECONDS = 20.0
# SGLang compiles its repetition penalty at the first use: nearly two minutes where eight processes shared two cores.
ANSWER_SECONDS = 240.0


@dataclass
class Engine:
    """A base URL and the directory that it served first."""

    url: str
    model: Path
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(base_url=self.url, timeout=ANSWER_SECONDS, trust_env=False)

    @property
    def version(self) -> str:
        return str(self.http.get("/model_info").raise_for_status().json()["weight_version"])

    def post(self, path: str, **body: Any) -> httpx2.Response:
        return self.http.post(path, json=body)

    def generate(self, **body: Any) -> Any:
        return self.post("/generate", **body).raise_for_status().json()

    def update(self, directory: Path, version: str, **body: Any) -> httpx2.Response:
        return self.post("/update_weights_from_disk", model_path=str(directory), weight_version=version, **body)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def perturbed(source: Path, target: Path, seed: int = 0) -> Path:
    """A copy of a model whose every weight differs a little."""
    shutil.copytree(source, target)
    generator = torch.Generator().manual_seed(seed)
    tensors = load_file(source / "model.safetensors")
    moved = {name: part + 0.05 * torch.randn(part.shape, generator=generator) for name, part in tensors.items()}
    save_file(moved, target / "model.safetensors", {"format": "pt"})
    return target


@contextmanager
def start_cpu_engine(model: Path, port: int, log: Path) -> Iterator[Engine]:
    settings = {"MODEL_PATH": str(model), "PORT": str(port), "ALLOWED_ROOTS": '["/"]', "MAX_TOTAL_TOKENS": "16384"}
    environment = {f"STUDENT_INFERENCE_{name}": value for name, value in settings.items()}
    with serving([sys.executable, "-m", "student_inference"], environment, model, port, log) as engine:
        yield engine


@contextmanager
def start_sglang(model: Path, port: int, log: Path) -> Iterator[Engine]:
    """Real SGLang in the environment whose interpreter SGLANG_PYTHON names (tools/sglang/install.sh makes it)."""
    arguments = {
        "--model-path": str(model),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--device": "cpu",
        "--attention-backend": "torch_native",
        "--dtype": "float32",
        "--context-length": "512",
        "--max-total-tokens": "16384",
        "--weight-version": "default",
    }
    # With its overlapping schedule SGLang's penalties come one token late (docs/engines.md).
    switches = ["--enable-metrics", "--sleep-on-idle", "--disable-overlap-schedule"]
    flags = [part for pair in arguments.items() for part in pair] + switches
    # One thread: on shared cores two are slower. The CPU engine of SGLang needs kernels that have no CPU build.
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "SGLANG_USE_CPU_ENGINE": "0"}
    command = [os.environ["SGLANG_PYTHON"], str(REPOSITORY / "tools/sglang/serve.py"), *flags]
    with serving(command, environment, model, port, log) as engine:
        yield engine


@contextmanager
def serving(command: list[str], environment: dict[str, str], model: Path, port: int, log: Path) -> Iterator[Engine]:
    """The command as a process group of its own, from its first healthy answer to the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
        )
    engine = Engine(f"http://127.0.0.1:{port}", model)
    try:
        wait_until_healthy(engine, process, log)
        yield engine
    finally:
        engine.http.close()
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_healthy(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if engine.http.get("/health").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text()[-4000:])
        time.sleep(0.2)
