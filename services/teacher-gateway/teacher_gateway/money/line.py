"""One connection to Redis for one script.

redis-py's own way to run it (script, command, pool, telemetry) takes more than the command itself, and who sends one
batch at a time needs no pool.
"""

from contextlib import suppress
from hashlib import sha1

from redis.asyncio import Connection, Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError

from teacher_gateway.money.wire import Wire, open_wire

# An empty argument on the wire.
NOTHING = b"$0\r\n\r\n"


class Line:
    """Connects as `redis` does. For a script that may run twice and returns a string, and one caller at a time."""

    def __init__(self, redis: Redis, script: str, key: str, *arguments: str | int) -> None:
        """The script's key and its arguments but the last."""
        self._connection: Connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._wire: Wire | None = None
        sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        pack = self._connection.pack_command
        self._load = b"".join(pack("SCRIPT", "LOAD", script))
        self._head = b"".join(pack("EVALSHA", sha, 1, key, *arguments, b"")).removesuffix(NOTHING)

    async def run(self, last: bytes) -> bytes:
        """The script's answer with this for its last argument. Raises redis.RedisError.

        It asks a second time at once, and no third time: a connection that ended while nobody used it says nothing
        of Redis, a new one that fails does. All who wait behind this batch are then told to come back in a second,
        where a pause in here would hold them for it.
        """
        command = b"%b$%d\r\n%b\r\n" % (self._head, len(last), last)
        if self._wire is not None:
            with suppress(NoScriptError, ConnectionLost):
                return await self._wire.ask(command)
        await self._ask(self._load)  # a Redis that was started anew knows no script
        return await self._ask(command)

    async def close(self) -> None:
        """The next command would connect again."""
        await self._connection.disconnect(nowait=True)

    async def _ask(self, command: bytes) -> bytes:
        if self._wire is None or self._wire.transport.is_closing():
            self._wire = await open_wire(self._connection)
        return await self._wire.ask(command)
