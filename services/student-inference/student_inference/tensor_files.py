"""Safetensors files, from a disk or a connection, read straight into the memory from which they will be served.

Each piece is read, hashed and checked while it is in the processor's cache: the memory is passed over once, and what
was hashed is what will be served. Read, not mapped: a file that is cut short under a mapping ends the process.
The format: https://huggingface.co/docs/safetensors (header length, JSON header, tensors in the order of their offsets).
"""

import math
import os
from collections.abc import Callable
from io import FileIO
from math import prod
from pathlib import Path
from typing import Protocol

import msgspec
import torch
import xxhash
from torch import Tensor

from student_inference.config import ModelError
from student_inference.weights import Place, as_they_come

# Stays in the second-level cache of one core.
PIECE_BYTES = 2**20
# Of a connection: whoever wants more at a time is woken up less often. Stays in the third-level cache.
STREAM_PIECE_BYTES = 4 * 2**20
LENGTH_BYTES = 8
# Names and shapes of the largest checkpoints fill less than a megabyte.
LONGEST_HEADER_BYTES = 16 * 2**20
# Behind each file of a stream: its XXH3-128.
DIGEST_BYTES = 16
METADATA = "__metadata__"
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

Stamp = tuple[int, int, int, int]
"""Device, inode, time of the last change, size: another one whenever a file is replaced or written to."""
PlaceOf = Callable[[str, tuple[int, ...]], Place | None]
"""Where a tensor of this name and shape belongs; None: nowhere. Raises ModelError for one that must not be there."""


class Entry(msgspec.Struct, frozen=True):
    """What the header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class Stream(Protocol):
    """What bytes come from."""

    def readinto(self, room: memoryview, /) -> int | None:
        """How many have been put there; 0 at the end."""


class Source:
    """A file that is read once, from its beginning to its end, numbers by pieces of `piece` bytes.

    Raises ModelError when it ends too early.
    """

    def __init__(self, stream: Stream, digest: xxhash.xxh3_128 | None = None, piece: int = PIECE_BYTES) -> None:
        self.stream = stream
        self.digest = digest
        self.piece = piece

    def fill(self, room: memoryview) -> None:
        """The next bytes, as many as there is room for."""
        rest = room
        while len(rest):
            count = self.stream.readinto(rest)
            if not count:
                raise ModelError(f"corrupt safetensors file: it ends {len(rest)} bytes too early")
            rest = rest[count:]
        if self.digest is not None:
            self.digest.update(room)

    def take(self, length: int) -> bytes:
        """The next bytes."""
        room = bytearray(length)
        self.fill(memoryview(room))
        return bytes(room)


def read_file(path: Path, place_of: PlaceOf, checksum: str | None = None) -> Stamp:
    """Copy every tensor to its place. `checksum`: XXH3-128 of the whole file, in hexadecimal; None: unchecked.

    Raises ModelError for a file that is missing, corrupt or not as the checksum promises, and for values that are not
    finite; what lies in the places is of no use then.
    """
    try:
        with FileIO(path) as file:
            source, stamp = (
                Source(file, None if checksum is None else xxhash.xxh3_128()),
                stamp_of(os.fstat(file.fileno())),
            )
            size = read_tensors(source, stamp[-1], place_of)
        if size != stamp[-1]:
            raise ModelError(f"corrupt safetensors file: {stamp[-1]} bytes instead of {size}")
    except OSError as error:
        raise ModelError(f"{path}: missing shard or unreadable ({error.strerror})") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    if source.digest is not None and source.digest.hexdigest() != checksum:
        raise ModelError(f"{path}: its XXH3-128 is {source.digest.hexdigest()}, not the expected one; write it again")
    return stamp


def read_next(stream: Stream, left: int, place_of: PlaceOf) -> None:
    """Copy every tensor of the next file of a stream to its place; `left` bytes are still to come, with its digest.

    Raises ModelError as `read_file` does.
    """
    digest = xxhash.xxh3_128()
    read_tensors(Source(stream, digest, STREAM_PIECE_BYTES), left - DIGEST_BYTES, place_of)
    promised = Source(stream).take(DIGEST_BYTES)
    if digest.digest() != promised:
        raise ModelError(f"the XXH3-128 of a file is {digest.hexdigest()}, not {promised.hex()}; send it again")


def stamp_of(state: os.stat_result) -> Stamp:
    return state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size


def read_tensors(source: Source, room: int, place_of: PlaceOf) -> int:
    """Header and tensors of a file of at most `room` bytes. Returns how many it has."""
    entries, size = read_header(source, room)
    if size > room:
        raise ModelError(f"corrupt safetensors file: {room} bytes instead of {size}")
    for name, entry in entries.items():
        read_tensor(source, name, entry, place_of(name, entry.shape))
    return size


def read_header(source: Source, room: int) -> tuple[dict[str, Entry], int]:
    """Names and entries in the order of the data, which fills the file without a gap; and the bytes of the file."""
    length = int.from_bytes(source.take(LENGTH_BYTES), "little")
    if length > min(LONGEST_HEADER_BYTES, room - LENGTH_BYTES):
        raise ModelError(f"corrupt safetensors file: a header of {length} bytes")
    try:
        parts = msgspec.json.decode(source.take(length), type=dict[str, msgspec.Raw])
        entries = {name: msgspec.json.decode(raw, type=Entry) for name, raw in parts.items() if name != METADATA}
    except msgspec.DecodeError as error:
        raise ModelError(f"corrupt safetensors file: its header is {error}") from error
    ordered = dict(sorted(entries.items(), key=lambda item: item[1].data_offsets))
    end = 0
    for name, entry in ordered.items():
        if entry.data_offsets != (end, end := end + bytes_in(name, entry)):
            raise ModelError(f"corrupt safetensors file: the offsets of {name!r} are {list(entry.data_offsets)}")
    return ordered, LENGTH_BYTES + length + end


def bytes_in(name: str, entry: Entry) -> int:
    if entry.dtype not in DTYPES or any(side < 0 for side in entry.shape):
        raise ModelError(f"{name}: dtype {entry.dtype}, shape {list(entry.shape)}: not one of {', '.join(DTYPES)}")
    return prod(entry.shape) * DTYPES[entry.dtype].itemsize


def read_tensor(source: Source, name: str, entry: Entry, place: Place | None) -> None:
    """Into its place; one that has none is read all the same, for the digest."""
    dtype, count = DTYPES[entry.dtype], prod(entry.shape)
    if place is None:
        skip_numbers(source, name, dtype, count)
    elif (flat := as_they_come(place, count)) is not None:
        read_numbers(source, name, dtype, flat)
    else:
        beside = torch.empty(count, dtype=place[0].dtype)
        read_numbers(source, name, dtype, beside)
        place[0].copy_(beside.view(place[1]))


def read_numbers(source: Source, name: str, dtype: torch.dtype, into: Tensor) -> None:
    """Fill a flat tensor piece by piece, from a file of this dtype."""
    step = source.piece // dtype.itemsize
    beside = None if into.dtype == dtype else torch.empty(min(step, len(into)), dtype=dtype)
    for part in torch.split(into, step):
        piece = part if beside is None else beside[: len(part)]
        source.fill(piece.view(torch.uint8).numpy().data)
        check_finite(name, piece)
        if beside is not None:
            part.copy_(piece)


def skip_numbers(source: Source, name: str, dtype: torch.dtype, count: int) -> None:
    """Read them as `read_numbers` does, and forget them; however many there are, only a piece is held."""
    step = source.piece // dtype.itemsize
    beside = torch.empty(min(step, count), dtype=dtype)
    for start in range(0, count, step):
        read_numbers(source, name, dtype, beside[: count - start])


def check_finite(name: str, tensor: Tensor) -> None:
    """Raises ModelError unless all values are finite."""
    # One pass decides nearly always: a sum of finite values is finite unless it overflows.
    if not math.isfinite(tensor.sum(dtype=torch.float32).item()) and not torch.isfinite(tensor).all():
        raise ModelError(f"{name}: holds NaN or infinite values")
