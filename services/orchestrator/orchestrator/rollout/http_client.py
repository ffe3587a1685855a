"""POST with JSON over one shared aiohttp session; what may pass becomes Unavailable."""

from dataclasses import dataclass

import aiohttp
from pydantic import SecretStr
from servicekit.keepalive import open_socket

from orchestrator.rollout.retries import Unavailable

# Connecting takes milliseconds unless the address is gone.
CONNECT_SECONDS = 5.0
SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Reply:
    """Any HTTP answer. `retry_after`: seconds, from the header of that name."""

    status: int
    body: bytes
    retry_after: float | None

    @property
    def shown(self) -> str:
        """The start of the body, for a message."""
        return self.body.decode(errors="replace")[:SHOWN_CHARACTERS]


def open_session() -> aiohttp.ClientSession:
    """The session of a worker process; the number of episodes in flight bounds its connections."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, socket_factory=open_socket))


def bearer(key: SecretStr | None) -> dict[str, str]:
    """The headers that show a key; none without one."""
    return {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}


async def post(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes,
    unreachable: str,
    seconds: float,
    key: SecretStr | None = None,
) -> Reply:
    """Raises Unavailable with the code `unreachable` when there is no whole answer within so many seconds."""
    headers = {"Content-Type": "application/json", **bearer(key)}
    limit = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
    try:
        async with session.post(url, data=body, headers=headers, timeout=limit) as response:
            return Reply(response.status, await response.read(), _seconds(response.headers.get("Retry-After")))
    except TimeoutError:
        raise Unavailable(unreachable, f"{url} gave no answer within {seconds:.1f} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(unreachable, f"{url} did not answer: {error or type(error).__name__}") from error


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None
