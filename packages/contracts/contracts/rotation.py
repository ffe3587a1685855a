"""Which engine replicas may sample for a job: the trainer proves and records it, rollout workers obey."""

from collections.abc import Mapping

from pydantic import Field

from contracts.records import JsonRecord

# Tokens of an older version than the last so many are too stale for any batch.
KEPT_PROOFS = 16


class Standing(JsonRecord):
    """What the trainer knows of one replica, by its control address."""

    versions: list[int] = Field(description="Policy versions of this job that it was proved to serve, the newest last.")
    reason: str = Field("", description="Why it is out of rotation; empty while it is in.")
    since: float = Field(description="Unix time of the newest proof, or of leaving the rotation.")

    @property
    def current(self) -> int | None:
        """The version that it serves, None while it is out of rotation."""
        return self.versions[-1] if self.versions and not self.reason else None

    def counts(self, version: int) -> bool:
        """Whether tokens that it sampled under the name of this version were sampled by it."""
        return not self.reason and version in self.versions


Rotation = Mapping[str, Standing]
"""Replicas by address, without a slash at the end."""


def proves(rotation: Rotation, address: str, version: int) -> bool:
    """Whether tokens of this version from this address count.

    An address that is no replica's is a router's: nobody knows which replica answered, so all must have proved it.
    """
    standing = rotation.get(address)
    if standing is not None:
        return standing.counts(version)
    return bool(rotation) and all(replica.counts(version) for replica in rotation.values())


def serves_since(rotation: Rotation, address: str, oldest: int) -> bool:
    """Whether this address serves `oldest` or a newer version, as far as it was proved."""
    standing = rotation.get(address)
    asked = [standing] if standing is not None else list(rotation.values())
    return bool(asked) and all(one.current is not None and one.current >= oldest for one in asked)
