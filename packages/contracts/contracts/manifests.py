"""The manifest: which episodes make a batch, frozen before the first of them starts (invariant 2)."""

from typing import Literal

import msgspec

from contracts.episodes import Purpose


class ManifestEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One episode to be rolled out. `seed` makes its sampling reproducible."""

    episode_id: str
    question_id: str
    sample: int
    seed: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The episodes of a step: a batch (purpose train) or an evaluation (purpose eval), on `policy_version` or newer."""

    version: Literal[1] = 1
    job_id: str
    purpose: Purpose
    step: int
    policy_version: int
    entries: list[ManifestEntry]


def episode_id(job_id: str, purpose: Purpose, step: int, question_id: str, sample: int) -> str:
    """Unique in the system, and the same whenever the same episode is made again."""
    return f"{job_id}/{purpose}/{step}/{question_id}/{sample}"


# Small enough that a lost worker costs little, large enough that a message costs nothing beside its episodes.
CHUNK_EPISODES = 32


def chunk_count(manifest: Manifest) -> int:
    """Chunks are what is handed to a rollout worker: entries [n * CHUNK_EPISODES, (n + 1) * CHUNK_EPISODES)."""
    return -(-len(manifest.entries) // CHUNK_EPISODES)


def chunk_entries(manifest: Manifest, chunk: int) -> list[ManifestEntry]:
    """The entries of one chunk."""
    return manifest.entries[chunk * CHUNK_EPISODES : (chunk + 1) * CHUNK_EPISODES]


_decoder = msgspec.msgpack.Decoder(Manifest)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as msgpack."""
    return msgspec.msgpack.encode(manifest)


def decode_manifest(data: bytes) -> Manifest:
    """Raises msgspec.ValidationError or msgspec.DecodeError for anything else."""
    return _decoder.decode(data)
