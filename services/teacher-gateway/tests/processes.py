"""Gateways as processes of their own, which a test may kill."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2

# A machine under full load has taken twenty.
START_SECONDS = 30.0
STOP_SECONDS = 10.0


def start_gateway_process(port: int, log: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    """`python -m teacher_gateway` with these settings and no other."""
    environment = {f"TEACHER_GATEWAY_{name}".upper(): value for name, value in settings.items()}
    environment |= {"TEACHER_GATEWAY_PORT": str(port), "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "teacher_gateway"]
        return subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with httpx2.AsyncClient() as client:
        while True:
            try:
                assert (await client.get(url + "/readyz")).status_code == 200
                return
            except httpx2.TransportError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
