"""Tensors on disk, in safetensors files: every byte is hashed while it is on its way to the disk.

Our own writer, as the library's leaves a second pass over all bytes to whoever wants their checksum. The format:
https://huggingface.co/docs/safetensors (header length, JSON header, tensors in the order of their offsets).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
# What one thread writes while another hashes it: small enough that both find it in the cache.
PIECE_BYTES = 4 * 2**20


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> str:
    """Write a safetensors file. Returns the SHA-256 of the bytes that were meant to be in it, in hexadecimal.

    Whoever reads the file and finds the same digest knows that the disk changed nothing. Raises OSError.
    """
    digest = hashlib.sha256()
    with path.open("wb") as file, ThreadPoolExecutor(1, "sha256") as beside:
        hashed = beside.submit(digest.update, b"")
        for piece in pieces_of(tensors, metadata or {}):
            hashed.result()  # at most two pieces in flight: tensors of a GPU are copied one by one
            hashed = beside.submit(digest.update, piece)
            file.write(piece)
    return digest.hexdigest()


def pieces_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of the file in order. Wide types come first, so that every tensor is aligned in a mapped file."""
    ordered = dict(sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])))
    yield header_of(ordered, metadata)
    for tensor in ordered.values():
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
        for start in range(0, len(data), PIECE_BYTES):
            yield data[start : start + PIECE_BYTES]


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
