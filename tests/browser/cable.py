"""A TCP connection that can be cut: what lies between a browser and a server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536


class Cable:
    """Forwards everything to `target` until it is cut; afterwards it refuses until it is mended."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.is_cut = False
        self.live: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and every new one at once."""
        self.is_cut = True
        for end in list(self.live):
            shut(end)

    def mend(self) -> None:
        """New connections go through again."""
        self.is_cut = False

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:  # closed: the test is over
                return
            if self.is_cut:
                shut(near)
                continue
            far = socket.create_connection(self.target)
            self.live |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.forward, args=(source, sink), daemon=True).start()

    def forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # cut, or the other end went away
            while data := source.recv(CHUNK):
                sink.sendall(data)
        for end in (source, sink):
            self.live.discard(end)
            shut(end)


def shut(end: socket.socket) -> None:
    """Close whatever its state."""
    with suppress(OSError):  # it was not connected any more
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def cable_to(url: str) -> Iterator[Cable]:
    """A cable to the server of this address."""
    host, port = url.removeprefix("http://").split(":")
    cable = Cable((host, int(port)))
    try:
        yield cable
    finally:
        cable.cut()
        cable.listener.close()
