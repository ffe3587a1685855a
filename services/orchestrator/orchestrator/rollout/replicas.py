"""Which engine replica gets a request: one that has proved the current version, knows the prefix, and is not busy.

The trainer's proofs are read from Redis; a replica that answered otherwise than it was proved to is left alone until
it has been proved again.
"""

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from contracts.rotation import Rotation, proves, serves_since
from redis.exceptions import RedisError

from orchestrator.rollout.retries import Unavailable

# The trainer notices a lost replica within a second or two as well; a read costs one command for all episodes.
REFRESH_SECONDS = 0.5
# The proofs are recorded when the slowest replica has swapped: milliseconds later for small weights, a minute for
# large ones. Waiting costs less than sampling the answer again.
PROOF_SECONDS = 120.0
PROOF_POLL_SECONDS = 0.05
# A replica that did not answer is tried again after this; episodes need not all wait for its time-out.
SHUN_SECONDS = 2.0
# The replica that holds the prefix is kept until it has this many requests more than the least busy one, and this
# many times as many. A prefix that must be computed again costs one prefill, a queue costs every decoding step.
OVERLOAD_REQUESTS = 8
OVERLOAD_RATIO = 1.5

STALE_POLICY = "stale_policy"
ReadRotation = Callable[[str], Awaitable[Rotation]]
Proofs = tuple[float, ...]

log = structlog.get_logger()


@dataclass
class View:
    """What was last read of one job's rotation."""

    rotation: Rotation = field(default_factory=dict)
    read_at: float = float("-inf")
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Replicas:
    """The addresses that take traffic. `read` gets the rotation of a job."""

    def __init__(self, urls: Sequence[str], read: ReadRotation) -> None:
        self.urls = [url.rstrip("/") for url in urls]
        self.read = read
        self.in_flight: Counter[str] = Counter()
        self.shunned: dict[str, float] = {}  # until this monotonic time
        self.distrusted: dict[tuple[str, str], Proofs] = {}  # (job, address): caught while these stood
        self.views: dict[str, View] = {}

    async def choose(self, job_id: str, oldest: int, prefix: str) -> str:
        """The address for a request of this job; `prefix`: what it has in common with others, in words.

        Raises Unavailable while no replica has proved `oldest` or a newer version.
        """
        rotation = await self.rotation(job_id, REFRESH_SECONDS)
        proved = [
            url for url in self.urls if serves_since(rotation, url, oldest) and self.trusted(job_id, url, rotation)
        ]
        if not proved:
            reasons = "; ".join(f"{url}: {one.reason}" for url, one in rotation.items() if one.reason)
            detail = f"no replica of the student engine has proved version {oldest} of the job"
            raise Unavailable("no_replica", f"{detail} ({reasons})" if reasons else detail)
        return least_loaded_or_affine(self.answering(proved), self.in_flight, prefix)

    def answering(self, urls: list[str]) -> list[str]:
        """Without those that failed to answer just now; when all did, any one of them."""
        now = time.monotonic()
        return [url for url in urls if self.shunned.get(url, 0.0) <= now] or [random.choice(urls)]

    def trusted(self, job_id: str, url: str, rotation: Rotation) -> bool:
        """Not caught with other weights since its newest proof.

        Compared for being another one, not a later one: the trainer's clock may have been set back.
        """
        return self.distrusted.get((job_id, url)) != proofs_of(rotation, url)

    @contextmanager
    def sending(self, url: str) -> Iterator[None]:
        """Count a request as in flight."""
        self.in_flight[url] += 1
        try:
            yield
        finally:
            self.in_flight[url] -= 1

    def note_success(self, url: str) -> None:
        """It answered."""
        self.shunned.pop(url, None)

    async def note_failure(self, job_id: str, url: str, code: str) -> None:
        """It did not answer as it should. With other weights than it was proved to serve, it gets no traffic until
        there is a newer proof; otherwise it may have a rest."""
        if code == STALE_POLICY:
            self.distrusted[job_id, url] = proofs_of(await self.rotation(job_id, REFRESH_SECONDS), url)
        else:
            self.shunned[url] = time.monotonic() + SHUN_SECONDS

    async def await_proof(self, job_id: str, url: str, versions: set[int]) -> None:
        """Return once the trainer has proved that this address served these versions.

        Raises Unavailable when the replica left the rotation, when the trainer has decided otherwise since (a swap that
        was rolled back), or when the proof stays away for PROOF_SECONDS.
        """
        deadline, age = time.monotonic() + PROOF_SECONDS, REFRESH_SECONDS
        first = None
        while True:
            rotation = await self.rotation(job_id, age)
            if all(proves(rotation, url, version) for version in versions):
                return
            standing = rotation.get(url)
            if standing is not None and standing.reason:
                raise Unavailable("replica_left", f"{url} is out of rotation: {standing.reason}")
            first = first or standing
            decided = first is not None and standing is not None and standing.since != first.since
            if decided or time.monotonic() > deadline:
                shown = ", ".join(map(str, sorted(versions)))
                raise Unavailable("unproved_policy", f"{url} was not proved to serve version {shown}")
            await asyncio.sleep(PROOF_POLL_SECONDS)
            age = PROOF_POLL_SECONDS

    async def rotation(self, job_id: str, age_seconds: float) -> Rotation:
        """The job's rotation, read at most so long ago (while Redis is away, as it was before); one reading serves
        all who wait for it."""
        view = self.views.setdefault(job_id, View())
        if time.monotonic() - view.read_at <= age_seconds:
            return view.rotation
        async with view.reading:
            if time.monotonic() - view.read_at > age_seconds:
                try:
                    view.rotation = await self.read(job_id)
                except RedisError as error:
                    log.warning("rotation_not_read", cause=str(error))
                view.read_at = time.monotonic()
        return view.rotation


def proofs_of(rotation: Rotation, url: str) -> Proofs:
    """When each proof that concerns this address was made; behind a router, those of all replicas."""
    standing = rotation.get(url)
    return (standing.since,) if standing else tuple(one.since for _, one in sorted(rotation.items()))


def least_loaded_or_affine(urls: list[str], in_flight: Counter[str], prefix: str) -> str:
    """The replica that requests of this prefix share, unless it is overloaded; then the least busy one.

    Rendezvous hashing: when a replica leaves, only its own prefixes move.
    """
    if len(urls) == 1:
        return urls[0]
    near = max(urls, key=lambda url: hashlib.blake2b(f"{url} {prefix}".encode(), digest_size=8).digest())
    least = min(urls, key=lambda url: in_flight[url])
    excess = in_flight[near] - in_flight[least]
    overloaded = excess > OVERLOAD_REQUESTS and in_flight[near] > OVERLOAD_RATIO * in_flight[least]
    return least if overloaded else near
