"""Weights over HTTP (`/upload_weights`, which only the CPU engine has), for engines that share no disk with us."""

from trainer.engine import ANSWER_SECONDS, Engine, EngineError
from trainer.release import Release


class Upload:
    """Remembers where each engine keeps what it was sent."""

    def __init__(self) -> None:
        self.smallest_shard: int | None = None
        self.places: dict[tuple[str, str], str] = {}

    def prepare(self, engine: Engine, release: Release) -> None:
        """Send the file; the engine checks it and reads it. Raises RouteMissing for an engine like SGLang."""
        digest = release.landing.wait(release.phase_seconds)[release.weights.name]
        place = engine.upload(release.weights, release.name, digest, release.phase_seconds)
        self.places = {key: value for key, value in self.places.items() if key[0] != engine.url}
        self.places[engine.url, release.name] = place

    def swap(self, engine: Engine, release: Release) -> None:
        """What was sent is served at once."""
        place = self.places.get((engine.url, release.name))
        if place is None:
            raise EngineError(f"{engine.url}: {release.name} was not uploaded")
        engine.load(place, release.name, release.phase_seconds)

    def wake(self, engine: Engine) -> None:
        """It read either all of a version or nothing."""
        engine.resume(ANSWER_SECONDS)

    def close(self) -> None:
        """The engines bound what they keep."""
        self.places.clear()
