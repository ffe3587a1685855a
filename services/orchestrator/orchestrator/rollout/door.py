"""An address that episodes ask; what may pass becomes Unavailable."""

from pydantic import SecretStr
from servicekit import http_client
from servicekit.http_client import Connections
from servicekit.http_connection import Reply

from orchestrator.rollout.retries import Unavailable


class Door:
    """Of an engine or the teacher gateway; `unreachable` is the code of the failure when it does not answer."""

    def __init__(self, connections: Connections, url: str, unreachable: str, key: SecretStr | None) -> None:
        self.door = http_client.Door(connections, url, key)
        self.unreachable = unreachable

    async def post(self, body: bytes, seconds: float) -> Reply:
        """Raises Unavailable when there is no whole answer within so many seconds."""
        try:
            return await self.door.post(body, seconds)
        except TimeoutError:
            raise Unavailable(self.unreachable, f"{self.door.url} gave no answer within {seconds:.1f} s") from None
        except OSError as error:
            raise Unavailable(
                self.unreachable, f"{self.door.url} did not answer: {error or type(error).__name__}"
            ) from error
