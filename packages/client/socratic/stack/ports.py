"""Free TCP ports on loopback."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack


def draw_ports(names: Sequence[str], fixed: dict[str, int]) -> dict[str, int]:
    """A port for each name: the fixed one where it is not 0, else one that nobody listens on. All differ."""
    with ExitStack() as held:
        drawn = {}
        for name in names:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            drawn[name] = fixed.get(name) or int(probe.getsockname()[1])
        return drawn
