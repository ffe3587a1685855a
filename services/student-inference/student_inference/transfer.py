"""Weights that arrive tensor by tensor: filled in between begin and end, checked whole, then swapped at once."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from student_inference.async_engine import AsyncEngine
from student_inference.config import ModelError
from student_inference.loading import Filling
from student_inference.weight_group import TensorSpec, WeightGroup


@dataclass
class Update:
    """What is under way between begin and end. `begun`: tensors of it came, or should have come."""

    receipt: str = field(default_factory=lambda: uuid.uuid4().hex)
    version: str | None = None
    flush: bool = True
    begun: bool = False


class Transfer:
    """The groups that were joined, and the update that is under way. Raises ModelError from every method."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._groups: dict[str, WeightGroup] = {}
        self._update: Update | None = None

    def join(self, name: str, address: str, port: int, rank: int, world_size: int) -> None:
        """Blocks until all members are there."""
        if name in self._groups:
            raise ModelError(f"group_name: {name!r} exists already; destroy it first")
        self._groups[name] = WeightGroup(address, port, rank, world_size, name)

    def leave(self, name: str) -> None:
        if self._groups.pop(name, None) is None:
            raise ModelError(f"group_name: there is no group {name!r}")

    def begin(self) -> None:
        """Start a new update; one that was begun and never ended is forgotten."""
        self._update = Update()

    async def receive(self, group: str, specs: Sequence[TensorSpec], version: str | None, flush: bool) -> None:
        """Take what is broadcast; nothing that is served changes yet."""
        update = self._under_way("update_weights_from_distributed")
        if group not in self._groups:
            raise ModelError(f"group_name: there is no group {group!r}; call /init_weights_update_group")
        members = self._groups[group]
        await self._fill(update, lambda filling: members.receive(specs, filling), version, flush)

    async def unpack(self, files: Sequence[bytes], version: str | None, flush: bool) -> None:
        """Take the tensors of whole safetensors files; nothing that is served changes yet."""
        update = self._under_way("update_weights_from_tensor")
        await self._fill(update, lambda filling: put_all(files, filling), version, flush)

    def _under_way(self, path: str) -> Update:
        if self._update is None:
            raise ModelError(f"{path} must run between begin_weight_update() and end_weight_update()")
        return self._update

    async def _fill(self, update: Update, read: Callable[[Filling], None], version: str | None, flush: bool) -> None:
        """What is refused, or does not come whole, ends the update: `end` will find nothing."""
        update.begun = True
        await self._engine.receive_weights(read, update.receipt)
        update.version, update.flush = version or update.version, update.flush and flush

    async def end(self) -> None:
        """Serve what came. An update of no tensor is none; one that lacks tensors is refused."""
        update, self._update = self._update, None
        if update is None:
            raise ModelError("end_weight_update: no update was begun")
        if update.begun:
            await self._engine.serve_received(update.receipt, update.version, flush=update.flush)


def put_all(files: Sequence[bytes], filling: Filling) -> None:
    for file in files:
        for name, tensor in tensors_in(file).items():
            filling.put(name, tensor)


def tensors_in(file: bytes) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(file)
    except SafetensorError as error:
        raise ModelError(f"serialized_named_tensors: no whole safetensors file ({error})") from error
    return tensors
