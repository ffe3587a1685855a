"""A process group over which a trainer (rank 0) broadcasts weights, joined the way SGLang joins it.

Tensors travel whole, one broadcast each, in the order of their names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch.distributed import PrefixStore, ProcessGroupGloo, TCPStore  # type: ignore[attr-defined]

from student_inference.config import ModelError

# The trainer and all replicas meet within seconds; a broadcast of the largest CPU student takes some more.
MEETING_TIME = timedelta(seconds=60)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class TensorSpec:
    """One tensor that is about to be broadcast."""

    name: str
    dtype: str
    shape: tuple[int, ...]


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

    def receive(self, specs: Sequence[TensorSpec]) -> dict[str, Tensor]:
        """The broadcast tensors by name. Raises ModelError for an unknown dtype and when the trainer goes away."""
        received = {spec.name: torch.empty(spec.shape, dtype=dtype_of(spec)) for spec in specs}
        try:
            # All at once, as SGLang does: gloo's two threads take them in this order.
            coming = [self._group.broadcast(tensor, 0) for tensor in received.values()]  # type: ignore[attr-defined]
            for tensor in coming:
                tensor.wait(MEETING_TIME)
        except RuntimeError as error:
            raise ModelError(f"the broadcast of weights broke off: {first_line(error)}") from error
        return received


def dtype_of(spec: TensorSpec) -> torch.dtype:
    try:
        return DTYPES[spec.dtype.removeprefix("torch.")]
    except KeyError:
        raise ModelError(f"dtypes: {spec.dtype!r} of {spec.name} is not one of {', '.join(DTYPES)}") from None


def first_line(error: Exception) -> str:
    """gloo's messages carry a stack trace."""
    return str(error).split("\n", 1)[0][:300]
