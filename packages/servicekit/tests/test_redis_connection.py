"""A connection that the other side resets is a lost connection to the caller, whichever event loop runs."""

import asyncio
import socket

import pytest
import redis
import uvloop
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut
from servicekit import redis_connection
from servicekit.redis_connection import UvloopConnection, bounded_redis


async def write_to_a_closed_transport(redis_url: str) -> None:
    """The transport closes between two commands of one connection, as a reset closes it under the writer."""
    pool = BlockingConnectionPool.from_url(redis_url, connection_class=UvloopConnection)
    async with Redis.from_pool(pool) as client:
        await client.ping()
        connection = await pool.get_connection()
        connection._writer.transport.abort()  # what the loop does when it reads a reset
        await asyncio.sleep(0.01)
        with pytest.raises(ConnectionLost):
            await connection.send_command("PING", check_health=False)
        await pool.release(connection)
        assert await client.ping()


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_reset_connection_is_lost(redis_url: str, new_loop: object) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]
        runner.run(write_to_a_closed_transport(redis_url))


async def test_many_callers_share_few_connections(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as looking:
        before = len(looking.client_list())
        async with bounded_redis(redis_url, connections=3) as client:
            answers = await asyncio.gather(*[client.incr("calls") for _ in range(60)])
            assert sorted(answers) == list(range(1, 61))
            assert len(looking.client_list()) - before == 3


@pytest.mark.parametrize("what", ["REDIS_SECONDS", "TURN_SECONDS"])
async def test_no_wait_is_without_end(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A server that accepts and says nothing: the one that asks gives up, and so does the one behind it."""
    for name in ("REDIS_SECONDS", "TURN_SECONDS"):
        monkeypatch.setattr(redis_connection, name, 0.2 if name == what else 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "redis://{}:{}".format(*silent.getsockname())
        async with asyncio.timeout(20), bounded_redis(url, connections=1) as client:
            asking = [asyncio.create_task(client.ping()) for _ in range(2)]
            with pytest.raises((TimedOut, ConnectionLost)):
                await asking[0 if what == "REDIS_SECONDS" else 1]
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)
