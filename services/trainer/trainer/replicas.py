"""Engine replicas, each with the one thread that talks to it, and work done on several of them under one deadline."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from trainer.canary import complaint_about, largest_gap
from trainer.engine import Engine, EngineError, Identity
from trainer.release import Release
from trainer.weight_routes import WeightRoute

Result = TypeVar("Result")

# A job that was cancelled, or a trainer that is to end, is noticed within this time.
CHECK_SECONDS = 0.2
# Between two tries to bring a replica a version, ever longer.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class Proof:
    """An engine gave the log-probabilities that only this release gives. `gap`: to the trainer's, nats."""

    identity: Identity
    version: int
    gap: float


class Replica:
    """Commands of one replica never overlap; those of several run side by side."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.url = engine.url
        self.proof: Proof | None = None
        self.errand: Future[Any] | None = None  # what `watch` sent it to do
        self.heard_at = time.monotonic()
        self.next_errand_at = 0.0
        self.pause_seconds = 0.0
        self.inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon: a trainer that ends does not wait for an engine that hangs.
        self.thread = threading.Thread(target=self.obey, name=f"replica {self.url}", daemon=True)
        self.thread.start()

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Do it after what was submitted before."""
        future: Future[Result] = Future()

        def execute() -> None:
            if future.set_running_or_notify_cancel():
                run_into(future, work)

        self.inbox.put(execute)
        return future

    def obey(self) -> None:
        """Until `close`."""
        while (execute := self.inbox.get()) is not None:
            execute()

    def close(self) -> None:
        """End the thread after what it is doing."""
        self.inbox.put(None)


def run_into(future: "Future[Result]", work: Callable[[], Result]) -> None:
    """The boundary of the thread: whatever happens is told to whoever asks the future."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001
        future.set_exception(error)
    else:
        future.set_result(result)


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """Of one phase: what each replica gave, or why it gave nothing."""

    done: Mapping[Replica, Result]
    failed: Mapping[Replica, EngineError]


def on_all(
    replicas: Iterable[Replica],
    work: Callable[[Replica], Result],
    seconds: float,
    check: Callable[[], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> Outcome[Result]:
    """Do it on all at once, and `meanwhile` in this thread. One that is not done `seconds` after that has failed.

    Raises what `check` and `meanwhile` raise, and OSError.
    """
    futures = {replica: replica.submit(bound(work, replica)) for replica in replicas}
    meanwhile()
    deadline = time.monotonic() + seconds
    unfinished = set(futures.values())
    while unfinished and (left := deadline - time.monotonic()) > 0:
        unfinished = wait(unfinished, timeout=min(left, CHECK_SECONDS)).not_done
        if unfinished:
            check()
    done: dict[Replica, Result] = {}
    failed: dict[Replica, EngineError] = {}
    for replica, future in futures.items():
        future.cancel()  # what has not begun must not begin after the decision
        if future.cancelled() or not future.done():
            failed[replica] = EngineError(f"{replica.url}: not done within {seconds:.0f} s")
            continue
        try:
            done[replica] = future.result()
        except EngineError as error:
            failed[replica] = error
    return Outcome(done, failed)


def bound(work: Callable[[Replica], Result], replica: Replica) -> Callable[[], Result]:
    return lambda: work(replica)


def serve(engine: Engine, route: WeightRoute, release: Release, tolerance: float) -> Proof:
    """Both phases on one replica. Raises EngineError when it is not proved."""
    route.prepare(engine, release)
    return swap(engine, route, release, tolerance)


def swap(engine: Engine, route: WeightRoute, release: Release, tolerance: float) -> Proof:
    """Swap a prepared engine and prove it. Requests in flight go on with the new weights."""
    try:
        change(engine, route, release)
    finally:
        release.swapped.set()
    identity = engine.identity()
    if identity.weight_version != release.name:
        raise EngineError(f"{engine.url} answered success but serves {identity.weight_version}, not {release.name}")
    found = engine.prompt_logprobs(release.canary_ids, release.phase_seconds)
    expected = expected_of(release)
    complaint = complaint_about(found, expected, release.canary_before, tolerance)
    if complaint is not None:
        raise EngineError(f"{engine.url} says it serves {release.name}, but {complaint}")
    return Proof(identity, release.version, largest_gap(found, expected))


def change(engine: Engine, route: WeightRoute, release: Release) -> None:
    """Let the engine serve it between two steps."""
    engine.pause(release.phase_seconds)
    try:
        route.swap(engine, release)
    finally:
        engine.resume(release.phase_seconds)


def expected_of(release: Release) -> list[float]:
    """The canary as the trainer computes it. Raises EngineError when it does not in time."""
    try:
        return release.canary.result(release.phase_seconds)
    except TimeoutError:
        raise EngineError(f"the trainer did not compute the canary of {release.name}: nothing is proved") from None
