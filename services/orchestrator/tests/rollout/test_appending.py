"""Episodes that finish together: one command for many, each told its own outcome."""

import asyncio
from collections.abc import Sequence

import pytest
import redis
from contracts.episodes import Episode
from orchestrator.redis_client import connect
from orchestrator.rollout.appending import MOST_TOGETHER, Appending
from orchestrator.rollout.store import RolloutStore
from redis.exceptions import ConnectionError as RedisConnectionError

from .board import Board
from .makers import unplayed


class Shelf:
    """Where `Appending` puts its groups; the first one waits until `opened` is set."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.groups: list[list[Episode]] = []
        self.broken = False

    async def append_all(self, episodes: Sequence[Episode]) -> list[bool]:
        self.groups.append([*episodes])
        await self.opened.wait()
        if self.broken:
            raise RedisConnectionError("gone")
        return [True] * len(episodes)


async def started(shelf: Shelf, appending: Appending, episodes: Sequence[Episode]) -> list[asyncio.Task[bool]]:
    tasks = [asyncio.create_task(appending.append(one)) for one in episodes]
    while not shelf.groups:  # noqa: ASYNC110 - it takes a turn of the loop or two
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_a_real_redis_gets_few_commands_and_every_episode_once(redis_url: str) -> None:
    connection, client = connect(redis_url), redis.Redis.from_url(redis_url)
    store, episodes = RolloutStore(connection), [unplayed(sample) for sample in range(3 * MOST_TOGETHER)]
    client.config_resetstat()
    assert all(await asyncio.gather(*(store.append(one) for one in episodes)))
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 5
    assert Board(client).appended() == dict.fromkeys([one.episode_id for one in episodes], 1)
    again = [*episodes[:3], unplayed(999), *episodes[3:5]]
    assert [await store.append(one) for one in again] == [False, False, False, True, False, False]
    await connection.aclose()
    client.close()


async def test_a_group_is_of_one_step_and_bounded() -> None:
    shelf = Shelf()
    episodes = [unplayed(sample, step=1 + sample % 2) for sample in range(1 + 4 * MOST_TOGETHER)]
    tasks = await started(shelf, Appending(shelf.append_all), episodes)
    shelf.opened.set()
    assert all(await asyncio.gather(*tasks))
    assert max(map(len, shelf.groups)) == MOST_TOGETHER
    assert all(len({one.step for one in group}) == 1 for group in shelf.groups)
    assert sorted(one.episode_id for group in shelf.groups for one in group) == sorted(
        one.episode_id for one in episodes
    )


async def test_a_redis_that_is_away_is_told_to_all_of_the_group() -> None:
    shelf = Shelf()
    tasks = await started(shelf, appending := Appending(shelf.append_all), [unplayed(0), unplayed(1), unplayed(2)])
    shelf.broken = True
    shelf.opened.set()
    assert [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == [RedisConnectionError] * 3
    shelf.broken = False
    assert await appending.append(unplayed(0))


@pytest.mark.parametrize("given_up", [0, 1])
async def test_one_that_is_given_up_takes_no_other_with_it(given_up: int) -> None:
    shelf = Shelf()
    tasks = await started(shelf, appending := Appending(shelf.append_all), [unplayed(0), unplayed(1), unplayed(2)])
    tasks.pop(given_up).cancel()
    await asyncio.sleep(0)
    shelf.opened.set()
    assert await asyncio.gather(*tasks) == [True, True]
    assert appending.waiting == []
