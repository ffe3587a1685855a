"""Tensors on disk, in safetensors files: every byte is hashed while it is on its way to the disk.

Our own writer, as the library's leaves a second pass over all bytes to whoever wants their checksum. The format:
https://huggingface.co/docs/safetensors (header length, JSON header, tensors in the order of their offsets).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
HEADER_ALIGNMENT = 8
# Hashed and then copied out of the second-level cache of one core.
PIECE_BYTES = 2**20


class Digest(Protocol):
    """What hashlib and xxhash make."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    new_digest: Callable[[], Digest] = hashlib.sha256,
) -> str:
    """Write a safetensors file. Returns the digest of the bytes that were meant to be in it, in hexadecimal.

    Whoever reads the file and finds the same digest knows that the disk changed nothing. Raises OSError.
    """
    digest = new_digest()
    with path.open("wb") as file:
        for piece in pieces_of(tensors, metadata or {}):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def pieces_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of the file in order. Wide types come first, so that every tensor is aligned in a mapped file."""
    ordered = in_order(tensors)
    yield header_of(ordered, metadata)
    for tensor in ordered.values():
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
        for start in range(0, len(data), PIECE_BYTES):
            yield data[start : start + PIECE_BYTES]


def length_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> int:
    """Bytes of the file, known before it is written."""
    numbers = sum(tensor.numel() * tensor.itemsize for tensor in tensors.values())
    return len(header_of(in_order(tensors), metadata)) + numbers


def in_order(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return dict(sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])))


def header_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Names, types, shapes and places, padded with spaces as the format wants."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.itemsize
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % HEADER_ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
