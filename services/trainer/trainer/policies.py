"""Policy directories on disk: Hugging Face layout, so that any tool loads them."""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from servicekit.checksums import SHA256, XXH128
from torch import Tensor
from xxhash import xxh3_128

from trainer.durable import remove_unfinished, remove_whole, whole_directory
from trainer.policy import Policy
from trainer.shards import INDEX_FILE, cut, index_of
from trainer.tensor_files import length_of, pieces_of, write_tensors

WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", "*.pt", "*.pth")
NOT_COPIED = (*WEIGHT_FILES, SHA256.file, XXH128.file)
# The current version, and those before it that a slow engine may still be reading.
KEEP_POLICIES = 3
# What Hugging Face's readers look for.
METADATA = {"format": "pt"}

Land = Callable[[str, str], None]
"""Hears the name and the XXH3-128 of each file once it is whole."""


@contextmanager
def whole_policy(base: Path, directory: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A policy that will lie in `directory` on leaving. Yields where it is written, and a dict for its digests.

    The base's own config and tokenizer files are there. Not forced to the disk: a checkpoint holds the same weights,
    and engines compare the checksums before they serve. Raises OSError.
    """
    digests: dict[str, str] = {}
    with whole_directory(directory, digests, forced=False, sums=XXH128) as unfinished:
        copy_all_but_weights(base, unfinished)
        yield unfinished, digests


def write_weights(shards: Mapping[str, Mapping[str, Tensor]], place: Path, land: Land) -> None:
    """The tensors of each file; with several files the index that names all. Raises OSError."""
    if len(shards) > 1:
        (place / INDEX_FILE).write_text(index_of(shards))
    for name, tensors in shards.items():
        land(name, write_tensors(place / name, tensors, METADATA, xxh3_128))


def lengths_of(shards: Mapping[str, Mapping[str, Tensor]]) -> dict[str, int]:
    """How many bytes each file has that `write_weights` writes."""
    return {name: length_of(tensors, METADATA) for name, tensors in shards.items()}


def content_of(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The bytes that `write_weights` writes to the file of these tensors, piece by piece."""
    return pieces_of(tensors, METADATA)


def write_policy(policy: Policy, base: Path, directory: Path, limit: int | None = None) -> None:
    """A policy that nobody waits for. Raises OSError."""
    with whole_policy(base, directory) as (place, digests):
        write_weights(cut(policy.weights(), limit), place, digests.__setitem__)


def copy_all_but_weights(base: Path, into: Path) -> None:
    """Raises OSError at the first file that cannot be copied (shutil.copytree would hide what the system said)."""
    for source in sorted(base.rglob("*")):
        if source.is_file() and not any(source.match(pattern) for pattern in NOT_COPIED):
            target = into / source.relative_to(base)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def collect_old(parent: Path, kept: Collection[int]) -> None:
    """Delete all versions but the newest and those that are `kept`, and what crashes left behind."""
    for directory in by_age(parent)[:-KEEP_POLICIES]:
        if version_of(directory) not in kept:
            remove_whole(directory)
    remove_unfinished(parent)


def by_age(parent: Path) -> list[Path]:
    """The policy directories, oldest first."""
    return sorted(parent.glob("v*"), key=version_of)


def version_of(directory: Path) -> int:
    """The policy version that a directory holds."""
    return int(directory.name[1:])
