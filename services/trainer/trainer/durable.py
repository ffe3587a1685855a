"""Directories that appear whole or not at all, and can be checked with `sha256sum -c SHA256SUMS`."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKSUMS = "SHA256SUMS"
UNFINISHED = ".unfinished-"


@contextmanager
def whole_directory(target: Path) -> Iterator[Path]:
    """Yields an empty directory to fill; on leaving, everything in it is on the disk under `target`, checksummed.

    A crash at any moment leaves the old `target`, the new one, or none, never a part. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.parent / f"{UNFINISHED}{target.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        write_checksums(unfinished)
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
    sync(target.parent)
    shutil.rmtree(set_aside, ignore_errors=True)


def write_whole(target: Path, data: bytes) -> None:
    """Write one file so that it appears whole or not at all. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.parent / f"{UNFINISHED}{target.name}"
    unfinished.write_bytes(data)
    sync(unfinished)
    unfinished.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Wait until the disk has it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(directory: Path) -> None:
    """One line a file, in sha256sum's own format."""
    lines = [f"{sha256_of(directory / name)}  {name}\n" for name in sorted(names_in(directory))]
    (directory / CHECKSUMS).write_text("".join(lines))


def damage_in(directory: Path) -> str | None:
    """What is wrong with a directory that was written whole, or None."""
    try:
        lines = [line.partition("  ") for line in (directory / CHECKSUMS).read_text().splitlines()]
        listed = {name: digest for digest, _, name in lines}
        for name in sorted(names_in(directory) | listed.keys()):
            if sha256_of(directory / name) != listed.get(name):
                return f"{name} differs from its checksum"
    except (OSError, ValueError) as error:
        return f"{CHECKSUMS} or a file of it cannot be read: {error}"
    return None


def names_in(directory: Path) -> set[str]:
    """Every file but the checksums, relative to the directory."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    return {path.relative_to(directory).as_posix() for path in files}
