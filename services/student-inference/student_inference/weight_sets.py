"""At most two sets of weights in memory: the one that is served, and one that is read, waits, or is free to read into.

Reading into memory that is there already takes a fraction of the time: fresh pages cost more than the copy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from student_inference.config import ModelError
from student_inference.loading import stamps_of
from student_inference.tensor_files import Stamp
from student_inference.weights import Weights

Result = TypeVar("Result")


@dataclass(frozen=True)
class Staged:
    """Weights that were read and checked, and only have to be served.

    They are known by their version and their files' stamps, or by the receipt of their upload.
    """

    weights: Weights
    version: str | None = None
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    receipt: str | None = None


class WeightSets:
    """The sets beside the served one. One caller at a time."""

    def __init__(self) -> None:
        self._spare: Weights | None = None
        self._staged: Staged | None = None

    def read(self, read: Callable[[Weights | None], Result]) -> Result:
        """Blocks. `read` may overwrite what it is given: what was staged, or is spare. Raises what it raises."""
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
        """The staged weights, if they were read from the very files that are in this directory now.

        Where the directory lay when they were read does not matter: its writer may have moved it since.
        """
        staged = self._staged
        if staged is None or staged.version != version or staged.stamps != stamps_of(directory):
            return None
        self._staged = None
        return staged.weights

    def take_upload(self, receipt: str) -> Weights:
        """The staged weights. Raises ModelError unless they are those of this upload."""
        staged = self._staged
        if staged is None or staged.receipt != receipt:
            raise ModelError(f"receipt: no upload {receipt!r} waits here any more; send the weights again")
        self._staged = None
        return staged.weights

    def retire(self, weights: Weights) -> None:
        """Nobody uses these any more."""
        self._spare = weights
