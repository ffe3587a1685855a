"""A connection that the other side resets is a lost connection to the caller, whichever event loop runs."""

import asyncio

import pytest
import uvloop
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as ConnectionLost
from servicekit.redis_connection import UvloopConnection


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
