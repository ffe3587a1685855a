"""The rotation of one job: which replicas may sample, as rollout workers read it in Redis."""

import time
from collections.abc import Callable, Iterable, Mapping

from contracts.rotation import KEPT_PROOFS, Standing


class Rotation:
    """`record` writes one replica's standing; `known`: what an earlier trainer recorded of some of `urls`."""

    def __init__(
        self, urls: Iterable[str], record: Callable[[str, Standing], None], known: Mapping[str, Standing]
    ) -> None:
        self.record = record
        self.standings = dict(known)
        for url in urls:
            if url not in known:
                self.expel(url, "it has not been proved yet")  # an address without a record would pass for a router

    def holds(self, url: str) -> bool:
        """Whether it is in rotation."""
        return self.standings[url].current is not None

    def admit(self, url: str, version: int) -> None:
        """It was proved to serve this version. What it served before still counts, unless it was out in between."""
        before = self.standings[url].versions if self.holds(url) else []
        versions = [*(known for known in before if known != version), version]
        self.put(url, Standing(versions=versions[-KEPT_PROOFS:], since=time.time()))

    def expel(self, url: str, reason: str) -> None:
        """Nothing that it samples counts until it is admitted again."""
        self.put(url, Standing(versions=[], reason=reason, since=time.time()))

    def put(self, url: str, standing: Standing) -> None:
        self.standings[url] = standing
        self.record(url, standing)

    @property
    def size(self) -> int:
        """Replicas in rotation."""
        return sum(self.holds(url) for url in self.standings)
