"""Bodies of requests that arrive bit by bit: none may fall silent, and a line has an end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import TypeVar

from starlette.requests import ClientDisconnect

from student_inference.config import ModelError
from student_inference.protocol import BadRequest

# A trainer that sends nothing for this long has gone away.
SILENCE_SECONDS = 60.0
# Whoever sends a byte now and then is given up too: nobody else can bring weights meanwhile. Half a line of 100 Mbit/s;
# the trainer itself gives up below 20 MB/s.
SLOWEST_BYTES_PER_SECOND = 5e6
# A path, a version and a checksum take a few hundred bytes.
LONGEST_LINE_BYTES = 2**16
GONE = "the client went away before the end of the body"

Item = TypeVar("Item")


class TooSlow(ModelError):
    """A body had time enough, and is not all there."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body did not arrive within {seconds:.0f} s; the old weights stay")


def patience_for(length: int) -> float:
    """Seconds after which a body of so many bytes is given up, however steadily it drips."""
    return SILENCE_SECONDS + length / SLOWEST_BYTES_PER_SECOND


async def timed(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a body. Raises ModelError when its sender falls silent or goes away."""
    chunks = aiter(body)
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ModelError(f"nothing of the body arrived for {SILENCE_SECONDS:.0f} s") from None
        except ClientDisconnect:
            raise ModelError(GONE) from None
        yield chunk


async def lines_of(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Each line as soon as it is whole, without its end. Raises as `timed` does, and BadRequest."""
    pending = b""
    async for chunk in timed(body):
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            yield line
        if len(pending) > LONGEST_LINE_BYTES:
            raise BadRequest(f"body: a line is longer than {LONGEST_LINE_BYTES} bytes")
    if pending:
        yield pending


@asynccontextmanager
async def followed(items: AsyncIterator[Item], seconds: float) -> AsyncIterator[Iterator[Item]]:
    """Items for a thread that waits for each; in it ModelError is raised when no more can come, at the latest on
    leaving, and TooSlow when the last has not come within `seconds`."""
    inbox: SimpleQueue[Item | ModelError | None] = SimpleQueue()

    async def feed() -> None:
        try:
            async with asyncio.timeout(seconds):
                async for item in items:
                    inbox.put(item)
            inbox.put(None)
        except TimeoutError:
            inbox.put(TooSlow(seconds))
        except (ModelError, BadRequest) as error:
            inbox.put(ModelError(str(error)))

    feeding = asyncio.ensure_future(feed())
    try:
        yield iterated(inbox)
    finally:
        feeding.cancel()
        inbox.put(ModelError(GONE))


def iterated(inbox: "SimpleQueue[Item | ModelError | None]") -> Iterator[Item]:
    while (item := inbox.get()) is not None:
        if isinstance(item, ModelError):
            raise item
        yield item
