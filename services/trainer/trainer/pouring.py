"""A POST whose body is poured into the connection itself: the kernel sends files without a copy of ours."""

import contextlib
import socket
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from servicekit.keepalive import keepalive_options


def post(
    url: str, headers: Mapping[str, str], length: int, pour: Callable[[socket.socket], None], seconds: float
) -> tuple[int, bytes]:
    """Status and body of the answer. `seconds` bounds each wait.

    Raises OSError, HTTPException and what `pour` raises.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with contextlib.closing(kind(parts.hostname or "", parts.port, timeout=seconds)) as connection:
        connection.connect()
        for option in keepalive_options():
            connection.sock.setsockopt(*option)
        connection.putrequest("POST", parts.path)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        # Who refuses need not read to the end: the answer, if there is one, says why.
        with contextlib.suppress(ConnectionError):
            pour(connection.sock)
        response = connection.getresponse()
        return response.status, response.read()
