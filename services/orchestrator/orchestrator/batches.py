"""Manifests and the episodes that arrived for them, read from Redis."""

from collections.abc import AsyncIterator, Iterable
from functools import lru_cache

from contracts import keys
from contracts.credit import EpisodeCredit, decode_credit
from contracts.episodes import Episode, Purpose, decode_episode
from contracts.manifests import Manifest, decode_manifest

from orchestrator.redis_client import RedisBytes

Entry = tuple[bytes, dict[bytes, bytes]]

# Episodes are a few kilobytes each: a page of this size stays well below a megabyte.
SCAN_EPISODES = 100
# The batches that a job may have open at once, and an evaluation.
KEPT_MANIFESTS = 8


class Batches:
    """Read side of the episode streams."""

    def __init__(self, redis: RedisBytes) -> None:
        self.redis = redis

    async def manifest(self, job_id: str, purpose: Purpose, step: int) -> Manifest | None:
        """The frozen manifest, or None when it was not opened yet."""
        data = await self.redis.get(keys.manifest(job_id, purpose, step))
        return decoded(data) if data else None

    async def arrived(self, job_id: str, purpose: Purpose, step: int) -> int:
        """How many episodes of the step are in the stream."""
        return int(await self.redis.hlen(keys.index(job_id, purpose, step)))

    async def arrived_ids(self, job_id: str, purpose: Purpose, step: int) -> set[str]:
        """Which episodes of the step are in the stream."""
        return {key.decode() for key in await self.redis.hkeys(keys.index(job_id, purpose, step))}

    async def entry_id(self, job_id: str, purpose: Purpose, step: int, episode_id: str) -> str | None:
        """Where in the stream an episode is."""
        entry = await self.redis.hget(keys.index(job_id, purpose, step), episode_id)
        return str(entry.decode()) if entry else None

    async def episode_at(self, job_id: str, purpose: Purpose, entry_id: str) -> Episode:
        """The episode of a stream entry that exists."""
        page = await self._entries(keys.stream(job_id, purpose), [entry_id.encode()])
        return decode_episode(page[0][1][keys.EPISODE_FIELD.encode()])

    async def of_ids(self, job_id: str, purpose: Purpose, step: int, ids: list[str]) -> dict[str, Episode]:
        """Those of these episodes that arrived, by id."""
        if not ids:
            return {}
        found = [entry for entry in await self.redis.hmget(keys.index(job_id, purpose, step), ids) if entry]
        page = await self._entries(keys.stream(job_id, purpose), found)
        episodes = [decode_episode(fields[keys.EPISODE_FIELD.encode()]) for _, fields in page]
        return {episode.episode_id: episode for episode in episodes}

    async def credits(self, job_id: str, step: int, ids: list[str]) -> dict[str, EpisodeCredit]:
        """What the trainer gave these episodes, by id; none before the step is trained."""
        found = await self.redis.hmget(keys.credits(job_id, step), ids) if ids else []
        return {name: decode_credit(data) for name, data in zip(ids, found, strict=True) if data}

    async def of_step(self, job_id: str, purpose: Purpose, step: int) -> list[Episode]:
        """Every episode of the step that arrived, in order of arrival."""
        return [episode async for _, episode in self.scan(job_id, purpose, step, None)]

    async def scan(
        self, job_id: str, purpose: Purpose, step: int | None, after: str | None
    ) -> AsyncIterator[tuple[str, Episode]]:
        """(entry id, episode) in order of arrival, of one step or of all, behind the entry `after`."""
        if step is None:
            pages = self._pages_of_stream(job_id, purpose, after)
        else:
            pages = self._pages_of_step(job_id, purpose, step, after)
        async for page in pages:
            for entry_id, fields in page:
                yield entry_id.decode(), decode_episode(fields[keys.EPISODE_FIELD.encode()])

    async def _pages_of_stream(self, job_id: str, purpose: Purpose, after: str | None) -> AsyncIterator[list[Entry]]:
        while True:
            start = f"({after}" if after else "-"
            page = await self.redis.xrange(keys.stream(job_id, purpose), start, "+", SCAN_EPISODES)
            if not page:
                return
            yield page
            after = page[-1][0].decode()

    async def _pages_of_step(
        self, job_id: str, purpose: Purpose, step: int, after: str | None
    ) -> AsyncIterator[list[Entry]]:
        entries = sorted(await self.redis.hvals(keys.index(job_id, purpose, step)), key=entry_order)
        behind = [entry for entry in entries if after is None or entry_order(entry) > entry_order(after.encode())]
        for start in range(0, len(behind), SCAN_EPISODES):
            yield await self._entries(keys.stream(job_id, purpose), behind[start : start + SCAN_EPISODES])

    async def _entries(self, stream: str, entry_ids: Iterable[bytes]) -> list[Entry]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for entry_id in entry_ids:
                pipe.xrange(stream, entry_id, entry_id)
            return [page[0] for page in await pipe.execute() if page]


@lru_cache(KEPT_MANIFESTS)
def decoded(data: bytes) -> Manifest:
    """Every chunk of a batch reads the same manifest of up to thousands of entries."""
    return decode_manifest(data)


def entry_order(entry_id: bytes) -> tuple[int, int]:
    """Stream ids sort by their two numbers."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence or 0)
