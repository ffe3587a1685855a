"""Engines read the policy's directory themselves (`/update_weights_from_disk`)."""

from servicekit.checksums import XXH128

from trainer.engine import ANSWER_SECONDS, Engine, EngineError, RouteMissing
from trainer.release import Release
from trainer.shards import SMALLEST_BYTES


class SharedDirectory:
    """The data root must be a directory that trainer and engines see under the same path."""

    def __init__(self, smallest_shard: int = SMALLEST_BYTES) -> None:
        self.smallest_shard: int | None = smallest_shard
        self.reads_files = True

    def prepare(self, engine: Engine, release: Release) -> None:
        """The engine reads and checks each file when it has landed; real SGLang cannot, and is judged by its canary."""
        seconds, landing = release.phase_seconds, release.landing
        try:
            engine.prepare(landing.place, release.name, landing.follow(seconds), seconds)
        except RouteMissing:
            check(release)

    def swap(self, engine: Engine, release: Release) -> None:
        """What was prepared is served at once."""
        engine.load(release.directory, release.name, release.phase_seconds)

    def wake(self, engine: Engine) -> None:
        """It read either all of a version or nothing."""
        engine.resume(ANSWER_SECONDS)

    def close(self) -> None:
        """Nothing is held."""


def check(release: Release) -> None:
    """Read every file again. Raises EngineError when one is not what was written."""
    try:
        for name, digest in release.landing.wait(release.phase_seconds).items():
            if XXH128.of(release.landing.place / name) != digest:
                raise EngineError(f"{release.directory}: {name} differs from its checksum")
    except OSError as error:
        raise EngineError(f"{release.directory}: {error}") from error
