"""A process group over which a trainer (rank 0) broadcasts weights, joined the way SGLang joins it.

Tensors travel whole, one broadcast each, in the order of their names. Each comes straight to where it will be served:
fresh memory for it would take longer than its bytes do.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import prod
from typing import Any

import torch
from torch.distributed import PrefixStore, ProcessGroupGloo, TCPStore  # type: ignore[attr-defined]

from student_inference.config import ModelError
from student_inference.loading import BrokenOff, Filling
from student_inference.tensor_files import check_finite
from student_inference.weights import Place, as_they_come

# The trainer and all replicas meet within seconds; a broadcast of the largest CPU student takes some more.
MEETING_TIME = timedelta(seconds=60)
# gloo has two threads, each with the next to take up. What has come is checked meanwhile.
UNDER_WAY = 4
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class TensorSpec:
    """One tensor that is about to be broadcast."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Arrival:
    """One tensor on its way to its place; None: it has none, and is let go."""

    def __init__(self, spec: TensorSpec, place: Place | None) -> None:
        self._spec, self._place, self._dtype = spec, place, dtype_of(spec)

    def begin(self, group: ProcessGroupGloo) -> None:
        """Let it come."""
        count = prod(self._spec.shape)
        flat = None if self._place is None else as_they_come(self._place, count)
        self._direct = flat is not None and flat.dtype == self._dtype
        self._tensor = flat if flat is not None and self._direct else torch.empty(count, dtype=self._dtype)
        self._coming: Any = group.broadcast(self._tensor, 0)  # type: ignore[attr-defined]

    def settle(self) -> None:
        """Wait for it. Raises RuntimeError when it does not come, and ModelError when it is not finite."""
        self._coming.wait(MEETING_TIME)
        check_finite(self._spec.name, self._tensor)
        if self._place is not None and not self._direct:
            self._place[0].copy_(self._tensor.view(self._place[1]))


class WeightGroup:
    """Membership of one gloo group. Raises ModelError when the others do not come."""

    def __init__(self, address: str, port: int, rank: int, world_size: int, name: str) -> None:
        try:
            store = TCPStore(address, port, world_size, is_master=False, timeout=MEETING_TIME)
            # torch's own process groups nest the name in this way, and SGLang makes its group by torch's helper.
            named = PrefixStore("cpu/", PrefixStore(f"{name}/", PrefixStore(name, store)))
            self._group = ProcessGroupGloo(named, rank, world_size, MEETING_TIME)
        except RuntimeError as error:
            raise ModelError(
                f"cannot join the group at {address}:{port} as rank {rank}: {first_line(error)}"
            ) from error

    def receive(self, specs: Sequence[TensorSpec], filling: Filling) -> None:
        """Raises ModelError before any has come as `Filling.place` does, and after all when one is not finite.

        Until then the trainer waits to be rid of the rest. Raises BrokenOff when it goes away.
        """
        arrivals = [Arrival(spec, filling.place(spec.name, spec.shape)) for spec in specs]
        under_way: deque[Arrival] = deque()
        faults: list[ModelError] = []
        try:
            for arrival in arrivals:
                arrival.begin(self._group)
                under_way.append(arrival)
                if len(under_way) == UNDER_WAY:
                    settle(under_way.popleft(), faults)
            for arrival in under_way:
                settle(arrival, faults)
        except RuntimeError as error:
            raise BrokenOff(f"the broadcast of weights broke off: {first_line(error)}") from error
        if faults:
            raise faults[0]


def settle(arrival: Arrival, faults: list[ModelError]) -> None:
    """Note it when it is not finite."""
    try:
        arrival.settle()
    except ModelError as error:
        faults.append(error)


def dtype_of(spec: TensorSpec) -> torch.dtype:
    try:
        return DTYPES[spec.dtype.removeprefix("torch.")]
    except KeyError:
        raise ModelError(f"dtypes: {spec.dtype!r} of {spec.name} is not one of {', '.join(DTYPES)}") from None


def first_line(error: Exception) -> str:
    """gloo's messages carry a stack trace."""
    return str(error).split("\n", 1)[0][:300]
