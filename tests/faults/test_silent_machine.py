"""A machine that vanishes from the network: whoever waits for its answer is told by the kernel, not by a deadline."""

import socket
import subprocess
import sys
import textwrap
from contextlib import ExitStack

import pytest

from .machines import SERVICES_ADDRESS, Machine, ip, machines, may_make_machines

# The callers' own deadlines are beyond this; the kernel's probes end after 15 s.
PATIENCE_SECONDS = 90.0
CALLERS = {
    "worker": """
        import asyncio
        from orchestrator.rollout.door import Door
        from orchestrator.rollout.retries import Unavailable as GivenUp
        from servicekit.http_client import Connections

        async def ask(url):
            async with Connections() as connections:
                await Door(connections, url, "engine_unreachable", None).post(b"{}", 3600.0)

        call = lambda url: asyncio.run(ask(url))
    """,
    "gateway": """
        import asyncio
        from contracts.guidance import GuidanceRequest
        from servicekit.http_client import Connections
        from teacher_gateway.chat import ChatClient
        from teacher_gateway.failures import PassingFailure as GivenUp
        from teacher_gateway.keys import KeyRing

        asked = GuidanceRequest(
            job_id="", episode_id="", attempt=1, teacher={}, question="", dialogue=[], latest_answer=""
        )

        async def ask(url):
            async with Connections() as connections:
                await ChatClient(connections, KeyRing({})).complete(url, "", "", asked)

        call = lambda url: asyncio.run(ask(url))
    """,
    "trainer": """
        from trainer.engine import Engine, EngineError as GivenUp

        call = lambda url: Engine(url).pause(3600.0)
    """,
}
CALL = """
import sys
try:
    call(sys.argv[1])
except GivenUp:
    sys.exit(0)
sys.exit("an answer")
"""


def start(machine: Machine, caller: str, url: str) -> "subprocess.Popen[bytes]":
    """A process of this machine that waits for an answer."""
    return subprocess.Popen(machine.command([sys.executable, "-c", textwrap.dedent(CALLERS[caller]) + CALL, url]))


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
def test_who_waits_for_a_machine_that_vanished_is_told() -> None:
    if not may_make_machines():
        pytest.skip("network namespaces need root and iproute2; as root: pytest tests/faults/test_silent_machine.py")
    with ExitStack() as stack:
        (machine,) = stack.enter_context(machines(1))
        server = stack.enter_context(socket.create_server((SERVICES_ADDRESS, 0)))
        server.settimeout(PATIENCE_SECONDS)
        waiting = {
            name: start(machine, name, f"http://{SERVICES_ADDRESS}:{server.getsockname()[1]}") for name in CALLERS
        }
        for process in waiting.values():
            stack.callback(process.kill)
        for _ in waiting:
            heard, _ = server.accept()
            assert stack.enter_context(heard).recv(4).startswith(b"POST")
        ip("link", "set", machine.cable, "down")
        assert {name: process.wait(PATIENCE_SECONDS) for name, process in waiting.items()} == dict.fromkeys(CALLERS, 0)
