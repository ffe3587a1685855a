"""Asks a process whether it can take work."""

import socket
from http.client import HTTPConnection, HTTPException
from urllib.parse import SplitResult, urlsplit

# A process that is up answers within milliseconds; one that is loading does not hold up the others' turn for long.
PROBE_SECONDS = 1.0


def is_ready(url: str) -> bool:
    """HTTP 200, or PONG for a redis:// address."""
    address = urlsplit(url)
    try:
        return answers_pong(address) if address.scheme == "redis" else answers_200(address)
    except (OSError, HTTPException):
        return False


def answers_200(address: SplitResult) -> bool:
    """The standard library's client: ten probes a second must cost a busy machine nothing."""
    connection = HTTPConnection(address.hostname or "", address.port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status == 200
    finally:
        connection.close()


def answers_pong(address: SplitResult) -> bool:
    with socket.create_connection((address.hostname, address.port), PROBE_SECONDS) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"+PONG\r\n"
