"""Weights over HTTP (`/upload_weights`, which only the CPU engine has), for engines that share no disk with us."""

import socket
from pathlib import Path

from trainer.engine import ANSWER_SECONDS, Engine, EngineError
from trainer.release import Release

# What is sent last cannot overlap with the writing; a digest more costs nothing.
SMALLEST_BYTES = 4 * 2**20
DIGEST_BYTES = 16


class Upload:
    """Remembers the receipt that each engine gave for what it was sent."""

    def __init__(self, smallest_shard: int = SMALLEST_BYTES) -> None:
        self.smallest_shard: int | None = smallest_shard
        self.receipts: dict[str, tuple[str, str]] = {}  # by the engine's address: name of the weights, receipt

    def prepare(self, engine: Engine, release: Release) -> None:
        """Send each file when it has landed, and its digest, which the engine compares while it reads.

        How long all will be is known before the first is written. Raises RouteMissing for an engine like SGLang.
        """
        length = sum(release.lengths.values()) + DIGEST_BYTES * len(release.lengths)
        receipt = engine.upload(length, lambda to: pour(release, to), release.phase_seconds)
        self.receipts[engine.url] = release.name, receipt

    def swap(self, engine: Engine, release: Release) -> None:
        """What was sent is served at once."""
        name, receipt = self.receipts.get(engine.url, ("", ""))
        if name != release.name:
            raise EngineError(f"{engine.url}: {release.name} was not uploaded")
        engine.load_upload(receipt, release.name, release.phase_seconds)

    def wake(self, engine: Engine) -> None:
        """It read either all of a version or nothing."""
        engine.resume(ANSWER_SECONDS)

    def close(self) -> None:
        """The engines bound what they keep."""
        self.receipts.clear()


def pour(release: Release, to: socket.socket) -> None:
    """Raises EngineError when a file does not land or has another length, and OSError."""
    for name, digest in release.landing.follow(release.phase_seconds):
        if send_file(release.landing.place / name, to) != release.lengths[name]:
            raise EngineError(f"{name} has another length than {release.lengths[name]} bytes")
        to.sendall(bytes.fromhex(digest))


def send_file(path: Path, to: socket.socket) -> int:
    with path.open("rb", buffering=0) as file:
        return to.sendfile(file)
