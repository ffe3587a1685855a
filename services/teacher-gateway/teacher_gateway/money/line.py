"""One connection to Redis for one script.

redis-py's own way to run it (script, command, pool, telemetry) takes more than the command itself, and who sends one
batch at a time needs no pool.
"""

from hashlib import sha1
from typing import Any

from redis.asyncio import Connection, Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError

# An empty argument on the wire.
NOTHING = b"$0\r\n\r\n"


class Line:
    """Connects as `redis` does. For a script that may run twice, and one caller at a time."""

    def __init__(self, redis: Redis, script: str, key: str, *arguments: str | int) -> None:
        """The script's key and its arguments but the last."""
        self._connection: Connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        pack = self._connection.pack_command
        self._load = b"".join(pack("SCRIPT", "LOAD", script))
        self._head = b"".join(pack("EVALSHA", sha, 1, key, *arguments, b"")).removesuffix(NOTHING)

    async def run(self, last: bytes) -> Any:
        """The script's answer with this for its last argument. Raises redis.RedisError."""
        command = b"%b$%d\r\n%b\r\n" % (self._head, len(last), last)
        try:
            return await self._ask(command)
        except NoScriptError:
            pass
        except ConnectionLost:  # it ended since the last command; a Redis that was started anew knows no script
            await self.close()
        await self._ask(self._load)
        return await self._ask(command)

    async def close(self) -> None:
        """The next command would connect again."""
        await self._connection.disconnect()

    async def _ask(self, command: bytes) -> Any:
        await self._connection.send_packed_command([command])
        return await self._connection.read_response()
