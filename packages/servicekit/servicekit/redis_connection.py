"""A connection to Redis whose loss is told by one kind of error, under uvloop too."""

from collections.abc import Iterable

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as ConnectionLost


class UvloopConnection(Connection):
    """uvloop says RuntimeError ("the handler is closed") where asyncio's transports say OSError."""

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """As redis-py's own. Raises redis.ConnectionError also where the other side has reset the connection."""
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise ConnectionLost(f"the connection was closed while it was written to: {error}") from error
