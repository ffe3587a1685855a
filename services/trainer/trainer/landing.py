"""The files of a release while they are written: one thread lands them, those of the replicas follow."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from trainer.engine import EngineError


class NotLanded(EngineError):
    """The rest of the files did not come: the engine cannot be given what is not there."""


class Landing:
    """`place`: the directory in which they lie, under whatever name it has just now. `digests`: filled by name.

    `shards`: the tensors of each file, while they are in memory.
    """

    def __init__(
        self, place: Path, digests: dict[str, str], shards: Mapping[str, Mapping[str, Tensor]] | None = None
    ) -> None:
        self.place = place
        self.digests = digests
        self.shards = shards or {}
        self._ended: bool | None = None  # False: given up
        self._changed = threading.Condition()

    def land(self, name: str, digest: str) -> None:
        """This file is whole, and will not change any more."""
        with self._changed:
            self.digests[name] = digest
            self._changed.notify_all()

    def end(self, whole: bool) -> None:
        """No more will come: all are there, or they were given up."""
        with self._changed:
            self._ended = whole
            self._changed.notify_all()

    def settle(self, place: Path) -> None:
        """All lie here now, and the memory may change."""
        self.place = place
        self.shards = {}

    def follow(self, seconds: float) -> Iterator[tuple[str, str]]:
        """Each file and its XXH3-128, as soon as it is whole. Raises NotLanded when one takes longer than `seconds`."""
        seen = 0
        while True:
            with self._changed:
                waited = self._changed.wait_for(lambda: len(self.digests) > seen or self._ended is not None, seconds)  # noqa: B023
                new = list(self.digests.items())[seen:]
                ended = self._ended
            if ended is False or not waited:
                raise NotLanded("the trainer gave up writing it" if waited else f"no shard within {seconds:.0f} s")
            yield from new
            seen += len(new)
            if ended and not new:
                return

    def wait(self, seconds: float) -> dict[str, str]:
        """All files and their digests. Raises as `follow` does."""
        return dict(self.follow(seconds))
