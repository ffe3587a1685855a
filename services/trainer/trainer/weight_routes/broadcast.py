"""Weights over a process group (`/update_weights_from_distributed`): gloo on CPUs, NCCL between GPUs.

Every engine is in a group of its own with the trainer: a collective hangs as a whole when one member dies, and then a
dead replica would hold up the healthy ones.
"""

import contextlib
import itertools
import secrets
import threading

from safetensors import safe_open
from torch import Tensor

from trainer.engine import ANSWER_SECONDS, Engine, EngineError, RouteMissing
from trainer.landing import Landing
from trainer.release import Release
from trainer.shards import WEIGHTS_FILE
from trainer.weight_routes.group import Backend, Group


class Broadcast:
    """`address`: where engines reach this process."""

    def __init__(self, address: str, backend: Backend) -> None:
        self.address = address
        self.backend: Backend = backend
        self.smallest_shard: int | None = None
        self.reads_files = False
        self.groups: dict[str, Group] = {}
        self.numbers = itertools.count()
        self.prefix = f"socratic-{secrets.token_hex(4)}"
        # Two NCCL operations of one GPU at a time may wait for each other for ever.
        self.turn = threading.Lock() if backend == "nccl" else contextlib.nullcontext()

    def prepare(self, engine: Engine, release: Release) -> None:
        """Meet the engine. SGLang serves every tensor as it arrives, so none may travel before the swap."""
        if engine.url not in self.groups:
            name = f"{self.prefix}-{next(self.numbers)}"
            self.groups[engine.url] = Group(engine, name, self.address, self.backend, release.phase_seconds)

    def swap(self, engine: Engine, release: Release) -> None:
        """Send every tensor. A group that failed is given up: the next try meets anew."""
        group = self.groups.get(engine.url)
        if group is None:
            raise EngineError(f"{engine.url}: it is in no group with the trainer")
        try:
            self.send(group, release)
        except EngineError:
            self.groups.pop(engine.url, None)
            group.leave()
            raise

    def send(self, group: Group, release: Release) -> None:
        """One whole update."""
        seconds = release.phase_seconds
        tell(group.engine, "/begin_weight_update", seconds)
        with self.turn:
            group.send(tensors_of(release.landing), release.name, seconds)
        tell(group.engine, "/end_weight_update", seconds)

    def wake(self, engine: Engine) -> None:
        """The CPU engine collects a whole update before it serves any; SGLang may hold half, and waits for the next."""
        if engine.identity().instance:
            engine.resume(ANSWER_SECONDS)

    def close(self) -> None:
        """Leave every group."""
        while self.groups:
            _, group = self.groups.popitem()
            group.leave()


def tensors_of(landing: Landing) -> dict[str, Tensor]:
    """From memory while they are there, else mapped from their file: only what is being sent is read."""
    in_memory = {name: tensor for shard in landing.shards.values() for name, tensor in shard.items()}
    if in_memory:
        return in_memory
    with safe_open(landing.place / WEIGHTS_FILE, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (safe_open is no mapping)


def tell(engine: Engine, path: str, seconds: float) -> None:
    """Brackets of an update, which servers before SGLang 0.5.18 neither know nor need."""
    with contextlib.suppress(RouteMissing):
        engine.ask("POST", path, {}, seconds)
