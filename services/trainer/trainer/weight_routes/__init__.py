"""The routes by which weights reach an engine; one file each."""

from typing import Protocol

from trainer.engine import Engine
from trainer.release import Release


class WeightRoute(Protocol):
    """All but `close` run in the thread of their engine and raise EngineError; RouteMissing ends a job at its start.

    `smallest_shard`: bytes of the files that a release is cut into, at least; None: the route wants one file.
    `reads_files`: engines are given the files; else what lies in memory, and the files are written beside the proof.
    """

    smallest_shard: int | None
    reads_files: bool

    def prepare(self, engine: Engine, release: Release) -> None:
        """Give the engine what the swap needs, and check it. Nothing that is served changes.

        `release.landing` tells which files are there, and what is in memory.
        """

    def swap(self, engine: Engine, release: Release) -> None:
        """Let the engine serve it. Called while its generation is paused; it was prepared before."""

    def wake(self, engine: Engine) -> None:
        """Let an engine go on that a trainer killed in mid-swap left paused, unless it may hold half of an update."""

    def close(self) -> None:
        """Leave nothing behind in the engines."""
