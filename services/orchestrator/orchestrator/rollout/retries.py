"""Asking again, paced and bounded: the one owner of retries towards the student engine and the teacher gateway."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")

FIRST_PAUSE_SECONDS = 0.1
# A weight swap or a restarted neighbour is back within seconds; hundreds of episodes must not hammer it meanwhile.
LONGEST_PAUSE_SECONDS = 2.0
# Of the time that is left, for one try: an answer that is on its way is worth most of it, but one whose connection died
# without a word must leave time to ask again.
TRY_SHARE = 2 / 3


class RolloutError(Exception):
    """An episode cannot go on. `code` is a stable word, `detail` tells the reader what happened."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class BudgetExhausted(Exception):
    """The teacher's budget holds no further call and the job wants to pause. No fault of the episode, which stays open.

    The message tells the user which cap it was and how to raise it.
    """


class Unavailable(RolloutError):
    """It may succeed later; `retry_after` is what the other side asked for, in seconds."""

    def __init__(self, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


def seconds_for_a_try(deadline: float) -> float:
    """How long one try may take, above 0; `deadline` is in the event loop's time."""
    return max(FIRST_PAUSE_SECONDS, TRY_SHARE * (deadline - asyncio.get_running_loop().time()))


async def ask_until(deadline: float, ask: Callable[[], Awaitable[Result]]) -> Result:
    """Ask until there is an answer. `deadline` is in the event loop's time.

    Raises any other error at once, and the last Unavailable when the next try would come after the deadline.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await ask()
        except Unavailable as error:
            # Jitter spreads out the episodes that failed together; what was asked for is never undercut.
            wait = error.retry_after or pause
            wait *= random.uniform(1.0, 1.5)
            if asyncio.get_running_loop().time() + wait >= deadline:
                raise
        await asyncio.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
