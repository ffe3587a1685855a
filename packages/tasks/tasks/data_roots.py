"""Paths in a job are taken only from the folders that the operator opened."""

from collections.abc import Sequence
from pathlib import Path

from contracts.errors import invalid


def find_folder(path: str, data_roots: Sequence[Path], field: str, how_to_get: str) -> Path:
    """The folder `path`, absolute or below a root, links resolved.

    Raises Problem 422 naming `field` where it lies outside every root or does not exist.
    """
    for folder in _inside(path, data_roots, field):
        if folder.is_dir():
            return folder
    raise invalid(field, f"no folder {path!r} below the data roots; {how_to_get}")


def find_file(path: str, data_roots: Sequence[Path], field: str, how_to_get: str) -> Path:
    """The same for a file."""
    for file in _inside(path, data_roots, field):
        if file.is_file():
            return file
    raise invalid(field, f"no file {path!r} below the data roots; {how_to_get}")


def _inside(path: str, data_roots: Sequence[Path], field: str) -> list[Path]:
    roots = [root.resolve() for root in data_roots]
    candidates = dict.fromkeys((root / path).resolve() for root in roots)
    inside = [found for found in candidates if any(found.is_relative_to(root) for root in roots)]
    if not inside:
        allowed = ", ".join(str(root) for root in roots) or "none"
        raise invalid(field, f"{path!r} lies outside the data roots ({allowed}); move the data below one of them")
    return inside
