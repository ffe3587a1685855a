"""FSDP2: each process keeps its share of every weight, in fp32, and gathers a layer only while it computes with it.

In bf16 what is gathered is a rounded copy; the shares are the fp32 master weights, and gradients are summed in fp32.
"""

import torch
from torch import Tensor, nn
from torch.distributed import broadcast
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.layers import layers_of
from trainer.scorer import Scorer

ROUNDED = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)


def shard(scorer: Scorer, mesh: DeviceMesh, precision: str) -> None:
    """In place: one group of weights for each layer, one for the rest (embedding, last norm, head)."""
    policy = ROUNDED if precision == "bf16" else MixedPrecisionPolicy()
    for module in (*layers_of(scorer.model), scorer):
        # The root too: weights left gathered after a pass without gradient would be those of before the next update.
        fully_shard(module, mesh=mesh, mp_policy=policy, reshard_after_forward=True)


def whole(tensor: Tensor) -> Tensor:
    """The full tensor in this machine's memory, without gradient. Every process must ask for it, in the same order."""
    gathered = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return gathered.detach().cpu()


@torch.no_grad()
def put(source: Tensor | None, target: Tensor, several: bool) -> None:
    """The inverse of `whole`: what process 0 holds reaches every process's share. Raises RuntimeError on a misfit.

    `several` processes ask in the same order, all but process 0 without a source.
    """
    if source is not None and source.shape != target.shape:
        raise RuntimeError(f"shape {tuple(source.shape)} instead of {tuple(target.shape)}")
    if source is None:
        source = torch.empty(target.shape, dtype=target.dtype)
    source = source.to(target.device, target.dtype)
    if isinstance(target, DTensor):
        target.copy_(distribute_tensor(source, target.device_mesh, target.placements))
        return
    if several:
        source = source.clone()
        broadcast(source, 0)
    target.copy_(source)


def clip_norm(parameters: list[nn.Parameter], most: float) -> float:
    """Scale the gradients down to the norm `most`, over all shares; returns the norm before."""
    norm = nn.utils.clip_grad_norm_(parameters, most)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def share_of(tensor: Tensor) -> Tensor:
    """What this process holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
