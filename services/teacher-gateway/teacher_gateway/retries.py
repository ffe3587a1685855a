"""The one owner of retries and of the deadline on the way to a teacher.

A library's loop was weighed and left: stamina's hooks are process-wide and its log lines hold the call's arguments,
which here are prompts.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from teacher_gateway.failures import EmptyAnswer, PassingFailure, TeacherFailure
from teacher_gateway.providers.base import Reply

MAX_TRIES = 5
EMPTY_ANSWER_TRIES = 2
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 8.0
# Added at random to a pause that the teacher asked for, lest all episodes come back in the same instant.
RETRY_AFTER_SPREAD_SECONDS = 0.5

log = structlog.get_logger()


async def ask_until(deadline: float, ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Ask until there is a reply, the failure is final, the tries are used up or `deadline` (event loop time) comes.

    Raises the last failure, or a 504 TeacherFailure at the deadline. A pause that would outlast the deadline is not
    begun: the failure that asked for it is the answer.
    """
    seconds = deadline - asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(deadline):
            return await _ask_patiently(ask, deadline)
    except TimeoutError:
        detail = (
            f"The teacher gave no guidance within {seconds:.3g} s; raise teacher.timeout_seconds or check the teacher."
        )
        raise TeacherFailure(504, "teacher_timeout", detail) from None


async def _ask_patiently(ask: Callable[[], Awaitable[Reply]], deadline: float) -> Reply:
    empty_answers = 0
    for attempt in range(1, MAX_TRIES + 1):
        try:
            return await ask()
        except PassingFailure as failure:
            empty_answers += isinstance(failure, EmptyAnswer)
            pause = pause_before(attempt, failure.retry_after)
            used_up = attempt == MAX_TRIES or empty_answers == EMPTY_ANSWER_TRIES
            if used_up or asyncio.get_running_loop().time() + pause >= deadline:
                raise
            log.warning("guidance_retried", code=failure.code, attempt=attempt, pause_seconds=round(pause, 3))
        await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def pause_before(attempt: int, retry_after: int | None) -> float:
    """Seconds before the next try: what the teacher asked for, else exponential; both with jitter."""
    if retry_after is not None:
        return retry_after + random.uniform(0.0, RETRY_AFTER_SPREAD_SECONDS)
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1))
    return random.uniform(longest / 2, longest)
