"""Three "machines": network namespaces with addresses of their own on one bridge. Needs root; leaves nothing behind."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

# A network of RFC 5737 that no host uses.
REDIS_ADDRESS, SERVICES_ADDRESS = "203.0.113.1", "203.0.113.2"
COMMAND_SECONDS = 10.0


@dataclass(frozen=True)
class Machine:
    """A namespace, its address, and the host's end of its cable."""

    name: str
    address: str
    cable: str

    def command(self, command: Sequence[str]) -> list[str]:
        """The same command, run on this machine."""
        return ["ip", "netns", "exec", self.name, *command]

    def cut_off(self, address: str) -> None:
        """Nothing that it sends to this address arrives any more."""
        ip("-netns", self.name, "route", "add", "blackhole", f"{address}/32")

    def reconnect(self, address: str) -> None:
        ip("-netns", self.name, "route", "del", "blackhole", f"{address}/32")


def may_make_machines() -> bool:
    """Whether this user and this kernel can make network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    probe = f"socratic-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True, timeout=COMMAND_SECONDS).returncode:
        return False
    ip("netns", "del", probe)
    return True


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """A bridge with two addresses of the host, and this many namespaces plugged into it."""
    bridge = f"soc{os.getpid() % 100000}"
    made: list[Machine] = []
    try:
        ip("link", "add", bridge, "type", "bridge")
        for address in (REDIS_ADDRESS, SERVICES_ADDRESS):
            ip("addr", "add", f"{address}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number in range(1, count + 1):
            made.append(Machine(f"{bridge}-{number}", f"203.0.113.{10 + number}", f"{bridge}v{number}"))
            plug_in(made[-1], bridge)
        yield made
    finally:
        for machine in made:
            subprocess.run(["ip", "netns", "del", machine.name], check=False, timeout=COMMAND_SECONDS)
        subprocess.run(["ip", "link", "del", bridge], check=False, timeout=COMMAND_SECONDS)


def plug_in(machine: Machine, bridge: str) -> None:
    ip("netns", "add", machine.name)
    ip("link", "add", machine.cable, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
    ip("link", "set", machine.cable, "master", bridge, "up")
    ip("-netns", machine.name, "addr", "add", f"{machine.address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        ip("-netns", machine.name, "link", "set", device, "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=COMMAND_SECONDS)
