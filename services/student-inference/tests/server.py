"""The real service in its own process, as a user starts it."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

# Importing torch takes two seconds on a quiet machine, many on a loaded one.
START_SECONDS = 60.0
STOP_SECONDS = 20.0


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    http: httpx2.Client

    def generate(self, **body: Any) -> Any:
        return self.http.post("/generate", json=body).raise_for_status().json()

    def stop(self) -> int:
        self.http.close()
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)


def start_server(model: Path, port: int, log: Path, **settings: str) -> Server:
    environment = {f"STUDENT_INFERENCE_{name}".upper(): value for name, value in settings.items()}
    environment |= {"STUDENT_INFERENCE_MODEL_PATH": str(model), "STUDENT_INFERENCE_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "student_inference"],
            env=os.environ | environment,
            stdout=output,
            stderr=output,
        )
    http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=START_SECONDS)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            http.get("/ready")
            return Server(process, http)
        except httpx2.TransportError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.05)
