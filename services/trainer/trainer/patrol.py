"""Watches the replicas between swaps: who lost the version leaves the rotation, and returns when it is proved again."""

import time
from functools import partial

import structlog
from contracts.events import PolicyRestored

from trainer.engine import EngineError, Identity
from trainer.failures import JobFailure
from trainer.release import Release
from trainer.replicas import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Proof, Replica
from trainer.swapper import Swapper

# A busy engine may miss an answer or two; one that is silent for longer must not be sent anything.
SILENCE_SECONDS = 5.0
log = structlog.get_logger()


class Patrol:
    """`look` never waits: replicas do their errands in their own threads."""

    def __init__(self, swapper: Swapper, silence_seconds: float = SILENCE_SECONDS) -> None:
        self.swapper = swapper
        self.silence_seconds = silence_seconds
        self.deserted_at: float | None = None

    def look(self) -> None:
        """Call every second or so. Raises JobFailure when no replica has been in rotation for too long."""
        served = self.swapper.served
        if served is None:
            return
        for replica in self.swapper.replicas:
            if replica.errand is not None and replica.errand.done():
                self.hear(replica, served)
            if replica.errand is None and time.monotonic() >= replica.next_errand_at:
                self.send(replica, served)
        self.check_desertion()

    def send(self, replica: Replica, served: Release) -> None:
        """A member is asked who it is; one that is out is given the version again."""
        if self.swapper.rotation.holds(replica.url):
            replica.errand = replica.submit(replica.engine.identity)
        else:
            replica.errand = replica.submit(partial(self.swapper.serve_one, replica, served))

    def hear(self, replica: Replica, served: Release) -> None:
        """What came of the errand."""
        errand, replica.errand = replica.errand, None
        assert errand is not None
        try:
            found = errand.result()
        except EngineError as error:
            self.disappointed(replica, error)
            return
        replica.heard_at = time.monotonic()
        if isinstance(found, Proof):
            self.welcome(replica, found, served)
        elif replica.proof is not None and found != replica.proof.identity:
            self.swapper.expel(replica, lost(found, replica.proof.identity))

    def disappointed(self, replica: Replica, error: EngineError) -> None:
        """A member may be silent for a while; a try to mend another is repeated, ever more rarely."""
        silent = time.monotonic() - replica.heard_at
        if not self.swapper.rotation.holds(replica.url):
            log.warning("replica_not_mended", replica=replica.url, error=str(error))
            replica.pause_seconds = min(max(2 * replica.pause_seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            replica.next_errand_at = time.monotonic() + replica.pause_seconds
        elif silent > self.silence_seconds:
            self.swapper.expel(replica, f"no answer for {silent:.0f} s: {error}")

    def welcome(self, replica: Replica, proof: Proof, served: Release) -> None:
        """It was mended; with a version that has been replaced meanwhile it stays out."""
        if proof.version != served.version or self.swapper.rotation.holds(replica.url):
            return
        found = self.swapper.rotation.standings[replica.url].reason
        self.swapper.admit(replica, proof)
        self.swapper.tell(
            PolicyRestored(
                at=time.time(),
                policy_version=served.version,
                found=found,
                replica=replica.url,
                in_rotation=self.swapper.rotation.size,
            )
        )

    def check_desertion(self) -> None:
        """Without any replica nothing can be sampled: after the deadline the job fails."""
        if self.swapper.rotation.size:
            self.deserted_at = None
            return
        now, limit = time.monotonic(), self.swapper.rules.deadline_seconds
        self.deserted_at = self.deserted_at or now
        if now - self.deserted_at > limit:
            reasons = "; ".join(f"{url}: {one.reason}" for url, one in self.swapper.rotation.standings.items())
            raise JobFailure("engine_unreachable", f"no replica of the student engine for {limit:.0f} s: {reasons}")


def lost(found: Identity, proved: Identity) -> str:
    if found.weight_version == proved.weight_version:
        return "it was started again"
    return f"it serves {found.weight_version} instead of {proved.weight_version}"
