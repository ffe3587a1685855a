"""Directories that appear whole or not at all, and can be checked with `sha256sum -c` or `xxh128sum -c`."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from servicekit.checksums import SHA256, Sums, write_checksums

UNFINISHED = ".unfinished-"


@contextmanager
def whole_directory(
    target: Path, known: Mapping[str, str] | None = None, forced: bool = True, sums: Sums = SHA256
) -> Iterator[Path]:
    """Yields an empty directory to fill; on leaving, everything in it is on the disk under `target`, checksummed.

    A crash at any moment leaves the old `target`, the new one, or none, never a part; without `forced` that holds for
    a crash of this process, not for one of the machine. `known` is looked at on leaving: the digest by file name of
    what was hashed already. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.parent / f"{UNFINISHED}{target.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        with naming(target):
            yield unfinished
        write_checksums(unfinished, known, sums)
        if forced:
            for path in unfinished.rglob("*"):
                sync(path)
            sync(unfinished)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    set_aside = target.parent / f"{UNFINISHED}replaced-{target.name}"
    if target.exists():
        shutil.rmtree(set_aside, ignore_errors=True)
        target.rename(set_aside)
    unfinished.rename(target)
    if forced:
        sync(target.parent)
    shutil.rmtree(set_aside, ignore_errors=True)


def remove_whole(target: Path) -> None:
    """Delete a directory so that a crash leaves all of it or none; asked again, what it left goes. Raises OSError."""
    unfinished = target.parent / f"{UNFINISHED}removed-{target.name}"
    if target.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        target.rename(unfinished)
    if unfinished.exists():
        shutil.rmtree(unfinished)


def remove_unfinished(parent: Path) -> None:
    """Delete what crashes left behind. Call only where nobody else writes."""
    for path in parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def write_whole(target: Path, data: bytes) -> None:
    """Write one file so that it appears whole or not at all. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.parent / f"{UNFINISHED}{target.name}"
    with naming(target):
        unfinished.write_bytes(data)
        sync(unfinished)
    unfinished.replace(target)
    sync(target.parent)


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """A write that fails after its file was opened says nothing of the file: add it."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(target)
        raise


def sync(path: Path) -> None:
    """Wait until the disk has it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
