"""One connection to Redis for one script.

redis-py's own way to run it (script, command, pool, telemetry) takes more than the command itself, and who sends one
batch at a time needs no pool.
"""

from hashlib import sha1
from typing import Any

from redis.asyncio import Connection, Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError


class Line:
    """Connects as `redis` does. For a script that may run twice, and one caller at a time."""

    def __init__(self, redis: Redis, script: str) -> None:
        self._connection: Connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._script = script
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()

    async def run(self, key: str, *arguments: str | int | bytes) -> Any:
        """The script's answer. Raises redis.RedisError."""
        command = ("EVALSHA", self._sha, 1, key, *arguments)
        try:
            return await self._ask(*command)
        except NoScriptError:
            pass
        except ConnectionLost:  # it ended since the last command; a Redis that was started anew knows no script
            await self.close()
        await self._ask("SCRIPT", "LOAD", self._script)
        return await self._ask(*command)

    async def close(self) -> None:
        """The next command would connect again."""
        await self._connection.disconnect()

    async def _ask(self, *command: str | int | bytes) -> Any:
        await self._connection.send_command(*command)
        return await self._connection.read_response()
