"""A neighbour that vanished is found out by the kernel, whatever the answer's own deadline."""

import socket
import sys

import pytest
from servicekit.keepalive import open_socket


@pytest.mark.skipif(sys.platform != "linux", reason="the names of the options differ")
def test_a_silent_peer_is_given_up_after_fifteen_seconds() -> None:
    (address,) = socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    with open_socket(address) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        pause = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        probes = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert idle + pause * probes == 15
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)
