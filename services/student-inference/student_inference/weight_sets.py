"""At most two sets of weights in memory: the one that is served, and one that is read, waits, or is free to read into.

Reading into memory that is there already takes a fraction of the time: fresh pages cost more than the copy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from student_inference.config import ModelError
from student_inference.weights import Weights, shards

Read = Callable[[Weights | None], Weights]
"""Reads weights, into the given ones where there are any. Raises ModelError."""


@dataclass(frozen=True)
class Staged:
    """Weights that were read and checked, and only have to be served."""

    directory: Path
    version: str | None
    stamp: list[tuple[int, int, int]]
    weights: Weights


class WeightSets:
    """The sets beside the served one. One caller at a time."""

    def __init__(self) -> None:
        self._spare: Weights | None = None
        self._staged: Staged | None = None

    def read(self, read: Read) -> Weights:
        """Blocks. What was staged is dropped: its memory is what is read into. Raises ModelError."""
        if self._staged is not None:
            self._spare, self._staged = self._staged.weights, None
        into, self._spare = self._spare, None
        try:
            return read(into)
        except ModelError:
            self._spare = into
            raise

    def stage(self, staged: Staged) -> None:
        """Keep weights until they are asked for."""
        self._staged = staged

    def take(self, directory: Path, version: str | None) -> Weights | None:
        """The staged weights, if they are those of this directory as it is now."""
        staged = self._staged
        if staged is None or (staged.directory, staged.version) != (directory, version):
            return None
        if staged.stamp != stamp_of(directory):
            return None
        self._staged = None
        return staged.weights

    def retire(self, weights: Weights) -> None:
        """Nobody uses these any more."""
        self._spare = weights


def stamp_of(directory: Path) -> list[tuple[int, int, int]]:
    """Changes whenever a shard is replaced or written to. Raises ModelError when one is missing."""
    try:
        states = [shard.stat() for shard in shards(directory)]
    except OSError as error:
        raise ModelError(f"{error.filename}: missing shard") from error
    return [(state.st_ino, state.st_mtime_ns, state.st_size) for state in states]
