"""Engines read the policy's directory themselves (`/update_weights_from_disk`)."""

from servicekit.checksums import damage_in

from trainer.engine import ANSWER_SECONDS, Engine, EngineError, RouteMissing
from trainer.release import Release


class SharedDirectory:
    """The data root must be a directory that trainer and engines see under the same path."""

    def prepare(self, engine: Engine, release: Release) -> None:
        """The engine reads and checks every shard; real SGLang cannot, and is judged by its canary after the swap."""
        checksums = {release.weights.name: release.sha256}
        try:
            engine.prepare(release.directory, release.name, checksums, release.phase_seconds)
        except RouteMissing:
            damage = damage_in(release.directory)
            if damage is not None:
                raise EngineError(f"{release.directory}: {damage}") from None

    def swap(self, engine: Engine, release: Release) -> None:
        """What was prepared is served at once."""
        engine.load(release.directory, release.name, release.phase_seconds)

    def wake(self, engine: Engine) -> None:
        """It read either all of a version or nothing."""
        engine.resume(ANSWER_SECONDS)

    def close(self) -> None:
        """Nothing is held."""
