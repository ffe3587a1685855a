"""Weights over HTTP (`/upload_weights`, which only the CPU engine has), for engines that share no disk with us."""

import socket
from collections.abc import Mapping

from torch import Tensor
from xxhash import xxh3_128

from trainer.engine import ANSWER_SECONDS, Engine, EngineError
from trainer.landing import Landing
from trainer.policies import content_of
from trainer.release import Release
from trainer.shards import LARGEST_BYTES

DIGEST_BYTES = 16


class Upload:
    """Remembers the receipt that each engine gave for what it was sent."""

    def __init__(self, smallest_shard: int = LARGEST_BYTES) -> None:
        # Nobody waits for the first of the files.
        self.smallest_shard: int | None = smallest_shard
        self.reads_files = False
        self.receipts: dict[str, tuple[str, str]] = {}  # by the engine's address: name of the weights, receipt

    def prepare(self, engine: Engine, release: Release) -> None:
        """Send each file, and its digest, which the engine compares while it reads.

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
    """Each file, and the 16 bytes of its XXH3-128. Raises EngineError when one has another length, and OSError."""
    for name, length in release.lengths.items():
        tensors = release.landing.shards.get(name)
        to.sendall(send_file(release.landing, name, length, to) if tensors is None else send_tensors(tensors, to))


def send_tensors(tensors: Mapping[str, Tensor], to: socket.socket) -> bytes:
    """As the file that will be written of them. Returns its XXH3-128."""
    digest = xxh3_128()
    for piece in content_of(tensors):
        digest.update(piece)
        to.sendall(piece)
    return digest.digest()


def send_file(landing: Landing, name: str, length: int, to: socket.socket) -> bytes:
    """Returns the XXH3-128 of what was meant to be in it."""
    with (landing.place / name).open("rb", buffering=0) as file:
        sent = to.sendfile(file)
    if sent != length:
        raise EngineError(f"{name} has another length than {length} bytes")
    return bytes.fromhex(landing.digests[name])
