"""Checksums of a directory in sha256sum's own format: `sha256sum -c SHA256SUMS` checks it too."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

CHECKSUMS = "SHA256SUMS"


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(directory: Path, known: Mapping[str, str] | None = None) -> None:
    """One line a file, in sha256sum's own format. `known`: digests of files that were hashed as they were written."""
    digests = {name: (known or {}).get(name) or sha256_of(directory / name) for name in names_in(directory)}
    lines = [f"{digests[name]}  {name}\n" for name in sorted(digests)]
    (directory / CHECKSUMS).write_text("".join(lines))


def listed_in(directory: Path) -> dict[str, str]:
    """File names and their digests as they were written. Raises OSError or UnicodeDecodeError, a ValueError."""
    lines = [line.partition("  ") for line in (directory / CHECKSUMS).read_text().splitlines()]
    return {name: digest for digest, _, name in lines}


def damage_in(directory: Path) -> str | None:
    """What is wrong with a directory that was written whole, or None."""
    try:
        listed = listed_in(directory)
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
