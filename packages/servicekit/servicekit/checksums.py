"""Checksums of a directory, in the format of sha256sum and xxh128sum: `sha256sum -c SHA256SUMS` checks it too.

SHA-256 for what must last, a checkpoint; XXH3-128, eight times as fast, for what is read back at once, a policy. Both
find what a disk did; neither protects from whoever may write the directory, its checksums included.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xxhash import xxh3_128


@dataclass(frozen=True)
class Sums:
    """The file that lists the digests, and how they are made."""

    file: str
    new: Callable[[], Any]

    def of(self, path: Path) -> str:
        """Hex digest of a file. Raises OSError."""
        with path.open("rb") as file:
            return str(hashlib.file_digest(file, self.new).hexdigest())


SHA256 = Sums("SHA256SUMS", hashlib.sha256)
XXH128 = Sums("XXH128SUMS", xxh3_128)


def write_checksums(directory: Path, known: Mapping[str, str] | None = None, sums: Sums = SHA256) -> None:
    """One line a file. `known`: digests of files that were hashed as they were written."""
    digests = {name: (known or {}).get(name) or sums.of(directory / name) for name in names_in(directory, sums)}
    lines = [f"{digests[name]}  {name}\n" for name in sorted(digests)]
    (directory / sums.file).write_text("".join(lines))


def listed_in(directory: Path) -> dict[str, str]:
    """File names and their digests as they were written. Raises OSError or UnicodeDecodeError, a ValueError."""
    lines = [line.partition("  ") for line in (directory / SHA256.file).read_text().splitlines()]
    return {name: digest for digest, _, name in lines}


def damage_in(directory: Path) -> str | None:
    """What is wrong with a directory that was written whole, or None."""
    try:
        listed = listed_in(directory)
        for name in sorted(names_in(directory) | listed.keys()):
            if SHA256.of(directory / name) != listed.get(name):
                return f"{name} differs from its checksum"
    except (OSError, ValueError) as error:
        return f"{SHA256.file} or a file of it cannot be read: {error}"
    return None


def names_in(directory: Path, sums: Sums = SHA256) -> set[str]:
    """Every file but the checksums, relative to the directory."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != sums.file)
    return {path.relative_to(directory).as_posix() for path in files}
