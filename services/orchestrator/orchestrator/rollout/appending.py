"""Episodes that finish together are appended together: one command to Redis for all that wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from contracts.episodes import Episode
from redis.exceptions import RedisError

# A script's work that stops Redis for a millisecond or so.
MOST_TOGETHER = 64

AppendAll = Callable[[Sequence[Episode]], Awaitable[Sequence[bool]]]
"""Appends the episodes of one step; tells for each whether it is new."""


@dataclass(eq=False)
class Waiting:
    """An episode and, once it is known, whether it is new or what went wrong."""

    episode: Episode
    outcome: bool | RedisError | None = None

    @property
    def batch(self) -> tuple[str, str, int]:
        """What it can be appended together with."""
        return self.episode.job_id, self.episode.purpose, self.episode.step


class Appending:
    """While one command is on its way, the next group gathers. It holds no more episodes than wait in `append`."""

    def __init__(self, append_all: AppendAll) -> None:
        self.append_all = append_all
        self.waiting: list[Waiting] = []
        self.turn = asyncio.Lock()

    async def append(self, episode: Episode) -> bool:
        """True when the episode is new. Raises RedisError; then it may be there or not, and trying again is safe."""
        mine = Waiting(episode)
        self.waiting.append(mine)
        try:
            async with self.turn:
                while mine.outcome is None:
                    await self._append_first()
        except asyncio.CancelledError:
            self.waiting = [one for one in self.waiting if one is not mine]
            raise
        if isinstance(mine.outcome, RedisError):
            raise mine.outcome
        return mine.outcome

    async def _append_first(self) -> None:
        """Append the one that waits longest, with others of its batch. Cancelled, it leaves all to the next one."""
        await asyncio.sleep(0)  # those that end in this turn of the loop come along
        batch = self.waiting[0].batch
        group = [one for one in self.waiting if one.batch == batch][:MOST_TOGETHER]
        try:
            outcomes: Sequence[bool | RedisError] = await self.append_all([one.episode for one in group])
        except RedisError as error:
            outcomes = [error] * len(group)
        for one, outcome in zip(group, outcomes, strict=True):
            one.outcome = outcome
        self.waiting = [one for one in self.waiting if one.outcome is None]
