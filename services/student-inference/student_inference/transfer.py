"""Weights that arrive tensor by tensor: collected between begin and end, checked whole, then swapped at once."""

from collections.abc import Sequence

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from student_inference.async_engine import AsyncEngine
from student_inference.config import ModelError
from student_inference.loading import expect_tensor, weights_from
from student_inference.weight_group import TensorSpec, WeightGroup
from student_inference.weights import tensor_shapes


class Transfer:
    """The groups that were joined, and the update that is under way. Raises ModelError from every method."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._groups: dict[str, WeightGroup] = {}
        self._collected: dict[str, Tensor] | None = None
        self._version: str | None = None
        self._flush = True

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
        self._collected, self._version, self._flush = {}, None, True

    def receive(self, group: str, specs: Sequence[TensorSpec], version: str | None, flush: bool) -> None:
        """Blocks for the broadcasts; nothing that is served changes yet."""
        collected = self._update("update_weights_from_distributed")
        if group not in self._groups:
            raise ModelError(f"group_name: there is no group {group!r}; call /init_weights_update_group")
        shapes = dict(tensor_shapes(self._engine.engine.model.config))
        for spec in specs:
            expect_tensor(spec.name, spec.shape, shapes)
        collected |= self._groups[group].receive(specs)
        self._version, self._flush = version or self._version, self._flush and flush

    def unpack(self, files: Sequence[bytes], version: str | None, flush: bool) -> None:
        """Collect the tensors of whole safetensors files; nothing that is served changes yet."""
        collected = self._update("update_weights_from_tensor")
        shapes = dict(tensor_shapes(self._engine.engine.model.config))
        for file in files:
            try:
                tensors = safetensors.torch.load(file)
            except SafetensorError as error:
                raise ModelError(f"serialized_named_tensors: no whole safetensors file ({error})") from error
            for name, tensor in tensors.items():
                expect_tensor(name, tuple(tensor.shape), shapes)
            collected |= tensors
        self._version, self._flush = version or self._version, self._flush and flush

    def _update(self, path: str) -> dict[str, Tensor]:
        """The tensors of the update under way."""
        if self._collected is None:
            raise ModelError(f"{path} must run between begin_weight_update() and end_weight_update()")
        return self._collected

    async def end(self) -> None:
        """Serve what was collected. An update of no tensor is none; one that lacks tensors is refused."""
        collected, self._collected = self._collected, None
        if collected is None:
            raise ModelError("end_weight_update: no update was begun")
        if collected:
            config = self._engine.engine.model.config
            await self._engine.serve_weights(
                lambda into: weights_from(collected, config, self._engine.dtype, into),
                self._version,
                flush=self._flush,
            )
