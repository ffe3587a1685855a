"""A TCP proxy between two services that breaks the network in the ways in which networks break."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

# `reset`: every connection ends with RST, and so does each new one. `slow`: each chunk comes late. `half_open`: the far
# side is gone without a word: what is connected now stays silent for ever, new connections are silent while it lasts.
Mode = Literal["pass", "reset", "slow", "half_open"]
CHUNK_BYTES = 65536
SLOW_SECONDS = 0.25
# Loopback answers at once; a server that is being restarted refuses at once.
CONNECT_SECONDS = 5.0
RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class Pipe:
    """One connection through the proxy. `silent` pipes carry nothing any more."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.ends = (near, far)
        self.silent = False

    def close(self, reset: bool = False) -> None:
        for end in self.ends:
            with suppress(OSError):  # it may be gone already
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    """Listens on `port`; `target()` says where to, as the far side may not exist yet."""

    def __init__(self, target: Callable[[], str], host: str = "127.0.0.1") -> None:
        self.target = target
        self.mode: Mode = "pass"
        self.struck: Counter[Mode] = Counter()  # connections and chunks that a mode did harm to
        self.pipes: set[Pipe] = set()
        self.mute: list[socket.socket] = []
        self.listener = socket.create_server((host, 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def set_mode(self, mode: Mode) -> None:
        self.mode = mode
        for pipe in list(self.pipes):
            if mode == "reset":
                self.struck[mode] += 1
                pipe.close(reset=True)
            elif mode == "half_open":
                pipe.silent = True

    def close(self) -> None:
        self.listener.close()
        for pipe in list(self.pipes):
            pipe.close()
        for end in self.mute:
            end.close()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:  # closed: the run is over
                return
            if self.mode == "half_open":
                self.struck["half_open"] += 1
                self.mute.append(near)
                continue
            threading.Thread(target=self.connect, args=(near,), daemon=True).start()

    def connect(self, near: socket.socket) -> None:
        address = urlsplit(self.target())
        try:
            if self.mode == "reset":
                self.struck["reset"] += 1
                raise ConnectionResetError
            far = socket.create_connection((address.hostname, address.port), CONNECT_SECONDS)
        except OSError:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
            near.close()
            return
        far.settimeout(None)
        pipe = Pipe(near, far)
        self.pipes.add(pipe)
        back = threading.Thread(target=self.forward, args=(pipe, far, near), daemon=True)
        back.start()
        self.forward(pipe, near, far)
        back.join()
        pipe.close()
        self.pipes.discard(pipe)

    def forward(self, pipe: Pipe, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # reset, or the other end went away
            while data := source.recv(CHUNK_BYTES):
                if self.mode == "slow":
                    self.struck["slow"] += 1
                    time.sleep(SLOW_SECONDS)
                if pipe.silent:
                    self.struck["half_open"] += 1
                else:
                    sink.sendall(data)
        if not pipe.silent:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
