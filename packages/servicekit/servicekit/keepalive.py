"""TCP options for connections on which an answer may take minutes: a neighbour that is gone is noticed all the same.

A machine that loses its power or its network says no farewell. The kernel's probes find that out, however long the
answer itself may take; they say nothing of a process that is alive and hangs, which is what time-outs are for.
"""

import socket
from typing import Any

# Gone after 15 s without a sign: a live kernel answers within milliseconds, and a lost packet was sent again by then.
IDLE_SECONDS, PROBE_EVERY_SECONDS, PROBES = 5, 5, 2
UNACKNOWLEDGED_MILLISECONDS = 15_000

Option = tuple[int, int, int]
# Not every system has all of them.
NAMED = {
    "TCP_KEEPIDLE": IDLE_SECONDS,
    "TCP_KEEPINTVL": PROBE_EVERY_SECONDS,
    "TCP_KEEPCNT": PROBES,
    "TCP_USER_TIMEOUT": UNACKNOWLEDGED_MILLISECONDS,
}


def keepalive_options() -> list[Option]:
    """(level, name, value) for `setsockopt`."""
    known = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in NAMED.items() if hasattr(socket, name)
    ]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


def open_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket that is kept alive, for one entry of `getaddrinfo`: what aiohttp takes as `socket_factory`."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    for option in keepalive_options():
        made.setsockopt(*option)
    return made
