"""Weights swapped into every replica in two phases, and proved to be served before they count."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from contracts.events import Event, PolicyRolledBack, PublishFailed, ReplicaLeft

from trainer.canary import TOLERANCE
from trainer.engine import Engine, EngineError, RouteMissing
from trainer.failures import JobFailure
from trainer.policy import Policy
from trainer.release import Release
from trainer.replicas import Outcome, Proof, Replica, on_all, serve, swap
from trainer.rotation import Rotation
from trainer.stopwatch import Stopwatch
from trainer.weight_routes import WeightRoute

# A supervisor restarts a dead engine within seconds; a large model takes a minute or two to load.
PUBLISH_SECONDS = 180.0
# A swap that is under way gets this long to let its engine generate again; a supervisor kills after 8 s.
FAREWELL_SECONDS = 4.0

Rule = Literal["rotate_out", "roll_back"]
Result = TypeVar("Result")
Swapped = tuple[dict[Replica, Proof], list[str]]
"""Who is proved, and what went wrong. No proofs: nothing was decided."""


@dataclass(frozen=True)
class SwapRules:
    """What a swap must fulfil, and what becomes of one that some replicas do not.

    rotate_out: the others go on with the new version, the failed ones are out until they prove it.
    roll_back: none goes on alone: all return to the version before, and the swap is tried again.
    """

    on_failure: Rule = "rotate_out"
    tolerance: float = TOLERANCE  # nats between engine and trainer
    deadline_seconds: float = PUBLISH_SECONDS
    phase_seconds: float | None = None  # None: by the size of the weights


class Swapper:
    """The replicas of one job. `tell` hears of every failure, `pause` waits or raises.

    `served`: what they should serve; the caller sets it when a release has been proved.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        route: WeightRoute,
        rotation: Rotation,
        tell: Callable[[Event], None],
        pause: Callable[[float], None],
        rules: SwapRules,
    ) -> None:
        self.replicas = [Replica(engine) for engine in engines]
        self.route = route
        self.rotation = rotation
        self.tell = tell
        self.pause = pause
        self.rules = rules
        self.served: Release | None = None
        self.stopwatch = Stopwatch()

    def close(self) -> None:
        """End the threads and leave the engines' groups."""
        for replica in self.replicas:
            replica.close()
        deadline = time.monotonic() + FAREWELL_SECONDS
        for replica in self.replicas:
            replica.thread.join(max(0.0, deadline - time.monotonic()))
        self.route.close()

    def wake(self) -> None:
        """Undo what a trainer that was killed in mid-swap left behind: engines that wait for ever. Returns at once."""
        for replica in self.replicas:
            replica.submit(partial(self.wake_one, replica))

    def wake_one(self, replica: Replica) -> None:
        """In the replica's thread. One that does not answer is told of by the publication that follows."""
        with contextlib.suppress(EngineError):
            self.route.wake(replica.engine)

    def prepare(self, release: Release, meanwhile: Callable[[], None] = lambda: None) -> Outcome[None]:
        """First phase, over the replicas in rotation (all of them while none is)."""
        members = [replica for replica in self.replicas if self.rotation.holds(replica.url)] or self.replicas
        return self.phase("prepare", members, lambda one: self.route.prepare(one.engine, release), release, meanwhile)

    def swap(self, release: Release, policy: Policy, prepared: Outcome[None]) -> Swapped:
        """Second phase, over those that were prepared; who is proved is in rotation."""
        together = self.rules.on_failure == "roll_back" and self.served is not None
        failures = dict(prepared.failed)
        if not prepared.done or (failures and together):
            return {}, described(failures)
        swapped = self.phase(
            "swap",
            list(prepared.done),
            lambda one: self.swap_one(one, release),
            release,
            meanwhile=lambda: release.recognise(policy),
        )
        failures |= swapped.failed
        for replica in swapped.failed:
            self.expel(replica, f"swap to version {release.version}: {swapped.failed[replica]}")
        if swapped.failed and together:
            self.roll_back(release, list(prepared.done))
            return {}, described(failures)
        for replica in prepared.failed if swapped.done else ():
            self.expel(replica, f"preparing version {release.version}: {prepared.failed[replica]}")
        for replica, proof in swapped.done.items():
            self.admit(replica, proof)
        return dict(swapped.done), described(failures)

    def swap_one(self, replica: Replica, release: Release) -> Proof:
        """In the replica's thread."""
        return swap(replica.engine, self.route, release, self.rules.tolerance)

    def serve_one(self, replica: Replica, release: Release) -> Proof:
        """Both phases, in the replica's thread."""
        return serve(replica.engine, self.route, release, self.rules.tolerance)

    def phase(
        self,
        name: str,
        replicas: list[Replica],
        work: Callable[[Replica], Result],
        release: Release,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Outcome[Result]:
        """Do it on all and tell of each failure. Raises JobFailure when a replica cannot take this route at all."""
        seconds = self.rules.phase_seconds or release.phase_seconds
        with self.stopwatch.measure(name):
            outcome = on_all(replicas, work, seconds, lambda: self.pause(0), meanwhile)
        for replica, error in outcome.failed.items():
            self.tell(
                PublishFailed(
                    at=time.time(), policy_version=release.version, detail=str(error), replica=replica.url, phase=name
                )
            )
            if isinstance(error, RouteMissing) and self.served is None:
                raise JobFailure(
                    "weight_route_missing", f"{error}; {type(self.route).__name__} needs it: see weight_route"
                )
        return outcome

    def roll_back(self, abandoned: Release, replicas: list[Replica]) -> None:
        """Give all that were touched the version before; one that cannot take it stays out of rotation."""
        served = self.served
        assert served is not None
        outcome = self.phase("roll_back", replicas, lambda one: self.serve_one(one, served), served)
        for replica, proof in outcome.done.items():
            self.admit(replica, proof)
        for replica, error in outcome.failed.items():
            self.expel(replica, f"return to version {served.version}: {error}")
        self.tell(
            PolicyRolledBack(
                at=time.time(),
                policy_version=served.version,
                abandoned_version=abandoned.version,
                replicas=[replica.url for replica in outcome.done],
                in_rotation=self.rotation.size,
            )
        )

    def admit(self, replica: Replica, proof: Proof) -> None:
        """From now on its tokens of this version count."""
        replica.proof, replica.heard_at, replica.errand = proof, time.monotonic(), None
        self.rotation.admit(replica.url, proof.version)

    def expel(self, replica: Replica, reason: str) -> None:
        """Nothing that it samples counts until it is proved again."""
        replica.proof, replica.pause_seconds = None, 0.0
        left = self.rotation.holds(replica.url)
        self.rotation.expel(replica.url, reason)
        if left:
            self.tell(ReplicaLeft(at=time.time(), replica=replica.url, reason=reason, in_rotation=self.rotation.size))


def described(failures: dict[Replica, EngineError]) -> list[str]:
    return [str(error) for error in failures.values()]
