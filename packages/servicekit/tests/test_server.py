"""A service as it is served."""

import socket
import struct
import subprocess
import sys
import time

import pytest

SERVED = """
from prometheus_client import CollectorRegistry
from servicekit.app import create_service
from servicekit.server import serve
from servicekit.settings import ServiceSettings
serve(create_service("sample", [], CollectorRegistry()), ServiceSettings(port={port}))
"""
# A machine under full load has taken twenty.
START_SECONDS = 60.0
# In `struct tcp_info` of Linux: segments with data that came in.
DATA_SEGMENTS_IN = 152


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a connection's segments")
def test_an_answer_is_one_segment() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVED.format(port=port)], stderr=subprocess.DEVNULL)
    try:
        with connected(port, process) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += connection.recv(4096)
            information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    finally:
        process.terminate()
        process.wait(START_SECONDS)
    assert struct.unpack_from("I", information, DATA_SEGMENTS_IN) == (1,)


def connected(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), START_SECONDS)
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
