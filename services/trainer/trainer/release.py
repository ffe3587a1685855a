"""One policy version as files, and how to recognise it in an engine."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from contracts.policies import engine_version, policy_directory

from trainer.canary import canary_ids
from trainer.landing import Landing
from trainer.policies import lengths_of, whole_policy, write_weights
from trainer.policy import Policy
from trainer.shards import cut, shard_bytes, size_of

# A disk, network or engine that is slower than this is as good as broken; a swap must end by then.
SLOWEST_BYTES_PER_SECOND = 20e6
# What does not depend on the size: requests that queue before the canary, a busy machine. A call whose connection died
# without a word hangs for so long, so it is what a swap may lose by one; the swap is then tried again.
PHASE_SECONDS = 15.0
# The calls of a swap want the core on which the canary is computed. A broadcast takes as long as its bytes do, and the
# canary need not wait for the last of them.
HEAD_START_SECONDS = 0.5


@dataclass(frozen=True)
class Release:
    """`landing`: its weight files, of these `lengths`.

    `canary`: what the trainer computes for it; `canary_before`: for the one before. `swapped`: an engine generates
    with it, or could not be given it.
    """

    version: int
    name: str  # the engine's weight version
    directory: Path
    landing: Landing
    size: int  # bytes of its weights
    canary_ids: list[int]
    canary_before: list[float] | None
    lengths: Mapping[str, int] = field(default_factory=dict)
    canary: "Future[list[float]]" = field(default_factory=Future)
    swapped: threading.Event = field(default_factory=threading.Event)

    def recognise(self, policy: Policy) -> None:
        """Compute the canary, once: while engines compute the requests in flight anew there is time for it."""
        if not self.canary.done():
            self.swapped.wait(HEAD_START_SECONDS)
            self.canary.set_result(policy.prompt_logprobs(self.canary_ids))

    def write(self) -> None:
        """Raises OSError; then nobody waits for more of it."""
        whole = False
        try:
            write_weights(self.landing.shards, self.landing.place, self.landing.land)
            whole = True
        finally:
            self.landing.end(whole)

    @contextmanager
    def written_beside(self, write: Callable[[], None]) -> Iterator[None]:
        """Call it in a thread once the canary is computed, else on leaving. Raises what it raises.

        Engines compute requests anew at that time; they are proved and in rotation whether it has ended or not. Not
        called when the block raises before: files of what is abandoned would be deleted again.
        """
        writing: list[Future[None]] = []
        with ThreadPoolExecutor(1, "write") as beside:

            def begin(_: object = None) -> None:
                if not writing:
                    writing.append(beside.submit(write))

            self.canary.add_done_callback(begin)
            yield
            begin()
            writing[0].result()

    @property
    def phase_seconds(self) -> float:
        """Deadline of preparing it, and of swapping and proving it."""
        return PHASE_SECONDS + math.ceil(self.size / SLOWEST_BYTES_PER_SECOND)


@contextmanager
def new_release(
    policy: Policy,
    version: int,
    job_id: str,
    data_root: Path,
    base: Path,
    before: Release | None,
    smallest_shard: int | None,
) -> Iterator[Release]:
    """The next version, to be written inside; on leaving it lies whole in its directory. Raises OSError.

    `smallest_shard`: bytes of its files, at least; None: it is one file.
    """
    directory = policy_directory(data_root, job_id, version).absolute()
    weights = policy.weights()
    size = size_of(weights)
    shards = cut(weights, None if smallest_shard is None else shard_bytes(size, smallest_shard))
    with whole_policy(base, directory) as (place, digests):
        release = Release(
            version=version,
            name=engine_version(job_id, version),
            directory=directory,
            landing=Landing(place, digests, shards),
            size=size,
            canary_ids=canary_ids(policy.vocab_size),
            canary_before=before.canary.result() if before else None,
            lengths=lengths_of(shards),
        )
        yield release
    release.landing.settle(directory)
