"""How the weights of a policy are cut into files, so that engines read the first while the others are written."""

import json
from collections.abc import Mapping

from torch import Tensor

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
# What is read last cannot overlap with the writing: a sixteenth of the time.
SHARDS = 16
# Opening a file and telling of it costs as much as reading a few megabytes.
SMALLEST_BYTES = 32 * 2**20
# Must land before an engine takes the trainer for dead: a minute at 20 MB/s.
LARGEST_BYTES = 2**30


def size_of(tensors: Mapping[str, Tensor]) -> int:
    """Bytes of all tensors."""
    return sum(tensor.numel() * tensor.itemsize for tensor in tensors.values())


def shard_bytes(total: int, smallest: int = SMALLEST_BYTES) -> int:
    """How large the shards of `total` bytes should be."""
    return min(max(total // SHARDS, smallest), LARGEST_BYTES)


def cut(tensors: Mapping[str, Tensor], limit: int | None) -> dict[str, dict[str, Tensor]]:
    """Tensors by file name, files of `limit` bytes or of one larger tensor; None: all in one file."""
    parts: list[dict[str, Tensor]] = [{}]
    for name, tensor in tensors.items():
        if limit is not None and parts[-1] and size_of(parts[-1]) + tensor.numel() * tensor.itemsize > limit:
            parts.append({})
        parts[-1][name] = tensor
    if len(parts) == 1:
        return {WEIGHTS_FILE: parts[0]}
    return {f"model-{number:05d}-of-{len(parts):05d}.safetensors": part for number, part in enumerate(parts, 1)}


def index_of(shards: Mapping[str, Mapping[str, Tensor]]) -> str:
    """The index by which Hugging Face's tools find tensors in several files."""
    places = {name: file for file, tensors in shards.items() for name in tensors}
    total = sum(map(size_of, shards.values()))
    return json.dumps({"metadata": {"total_size": total}, "weight_map": places}, indent=1)
