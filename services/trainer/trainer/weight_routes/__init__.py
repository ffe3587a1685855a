"""The routes by which weights reach an engine; one file each."""

from typing import Protocol

from trainer.engine import Engine
from trainer.release import Release


class WeightRoute(Protocol):
    """Both methods run in the thread of their engine and raise EngineError; RouteMissing ends the job at its start."""

    def prepare(self, engine: Engine, release: Release) -> None:
        """Give the engine what the swap needs, and check it. Nothing that is served changes."""

    def swap(self, engine: Engine, release: Release) -> None:
        """Let the engine serve it. Called while its generation is paused; it was prepared before."""

    def close(self) -> None:
        """Leave nothing behind in the engines."""
