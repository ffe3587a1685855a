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
    connector = aiohttp.TCPConnector(limit=0, socket_factory=open_socket)
    # Engine and gateway set no cookies, so that there is nothing to look for in each request and reply.
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class Door:
    """An address that gets POSTs with JSON: what is the same in each is made once."""

    def __init__(self, session: aiohttp.ClientSession, url: str, unreachable: str, key: SecretStr | None) -> None:
        self.session = session
        self.url = url
        self.unreachable = unreachable
        self.headers = {"Content-Type": "application/json", **bearer(key)}

    async def post(self, body: bytes, seconds: float) -> Reply:
        """Raises Unavailable with the code `unreachable` when there is no whole answer within so many seconds."""
        limit = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        try:
            async with self.session.post(
                self.url, data=body, headers=self.headers, timeout=limit, allow_redirects=False
            ) as response:
                return Reply(response.status, await response.read(), _seconds(response.headers.get("Retry-After")))
        except TimeoutError:
            raise Unavailable(self.unreachable, f"{self.url} gave no answer within {seconds:.1f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(
                self.unreachable, f"{self.url} did not answer: {error or type(error).__name__}"
            ) from error


def bearer(key: SecretStr | None) -> dict[str, str]:
    """The headers that show a key; none without one."""
    return {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None
