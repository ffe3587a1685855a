"""Connections to Redis: a bounded number of them and bounded waits, and one kind of error for a lost one."""

from collections.abc import Iterable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.exceptions import ConnectionError as ConnectionLost

# A command takes microseconds; longer without an answer means that the server is gone or frozen.
REDIS_SECONDS = 2.0
# Of hundreds that wait for one of the connections, each for a command or two, on a busy machine.
TURN_SECONDS = 10.0


class UvloopConnection(Connection):
    """Its writes mostly need no task, and its loss is one kind of error.

    uvloop says RuntimeError ("the handler is closed") where asyncio's transports say OSError.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """As redis-py's own. Raises redis.ConnectionError also where the other side has reset the connection."""
        try:
            if not self._write_at_once(command):
                await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise ConnectionLost(f"the connection was closed while it was written to: {error}") from error

    def _write_at_once(self, command: bytes | str | Iterable[bytes]) -> bool:
        """Whether it is on its way; not while earlier bytes wait to leave.

        redis-py makes a task for each write where there is a time-out (asyncio.wait_for). Whoever reads the reply next
        learns all the same that the connection is lost or stuck.
        """
        if self._writer is None or self.health_check_interval or not isinstance(command, list):
            return False
        if self._writer.transport.is_closing() or self._writer.transport.get_write_buffer_size():
            return False
        self._writer.writelines(command)
        return True


def bounded_redis(redis_url: str, connections: int, **options: Any) -> Any:
    """A client whose callers share so many connections and wait their turn; redis-py's own pool raises an error when it
    is used up. `options`: of redis-py's connections."""
    pool = BlockingConnectionPool.from_url(
        redis_url,
        connection_class=UvloopConnection,
        max_connections=connections,
        timeout=TURN_SECONDS,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        **options,
    )
    return Redis.from_pool(pool)
