"""A connection to Redis whose loss is told by one kind of error, under uvloop too; its writes mostly need no task."""

from collections.abc import Iterable

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as ConnectionLost


class UvloopConnection(Connection):
    """uvloop says RuntimeError ("the handler is closed") where asyncio's transports say OSError."""

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
