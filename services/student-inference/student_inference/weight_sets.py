"""At most two sets of weights in memory: the one that is served, and one that is read, waits, or is free to read into.

Reading into memory that is there already takes a fraction of the time: fresh pages cost more than the copy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from student_inference.config import ModelConfig, ModelError
from student_inference.loading import BrokenOff, Filling, stamps_of
from student_inference.weights import Weights


@dataclass(frozen=True)
class Staged:
    """Weights that were read and checked, and only have to be served.

    They are known by their version and their files' stamps, or by the receipt under which they were received; of
    those, some may still have to come.
    """

    filling: Filling
    version: str | None = None
    receipt: str | None = None


class WeightSets:
    """The sets beside the served one. One caller at a time."""

    def __init__(self, config: ModelConfig, dtype: torch.dtype) -> None:
        self._config, self._dtype = config, dtype
        self._spare: Weights | None = None
        self._staged: Staged | None = None

    def read(self, read: Callable[[Filling], object], receipt: str | None = None) -> Filling:
        """Blocks. `read` goes on with what was staged under this receipt; else it begins anew, and overwrites it.

        Raises what `read` raises: then all that was staged is forgotten, and after BrokenOff its memory too.
        """
        filling = self._filling(receipt)
        try:
            read(filling)
        except BrokenOff:
            raise
        except ModelError:
            self.retire(filling.weights)
            raise
        return filling

    def _filling(self, receipt: str | None) -> Filling:
        staged, self._staged = self._staged, None
        if staged is not None and receipt is not None and staged.receipt == receipt:
            return staged.filling
        into, self._spare = self._spare if staged is None else staged.filling.weights, None
        return Filling(self._config, self._dtype, into)

    def stage(self, staged: Staged) -> None:
        """Keep weights until they are asked for."""
        self._staged = staged

    def take(self, directory: Path, version: str | None) -> Weights | None:
        """The staged weights, if they were read from the very files that are in this directory now.

        Where the directory lay when they were read does not matter: its writer may have moved it since.
        """
        staged = self._staged
        if staged is None or staged.version != version or staged.filling.stamps != stamps_of(directory):
            return None
        self._staged = None
        return staged.filling.weights

    def take_received(self, receipt: str) -> Weights:
        """The staged weights. Raises ModelError unless they have this receipt, and all of them have come."""
        staged = self._staged
        if staged is None or staged.receipt != receipt:
            raise ModelError(f"receipt: nothing waits here under {receipt!r} any more; send the weights again")
        staged.filling.check_complete()
        self._staged = None
        return staged.filling.weights

    def retire(self, weights: Weights) -> None:
        """Nobody uses these any more."""
        self._spare = weights
