"""The hedged request (Dean and Barroso, The Tail at Scale, 2013): a second call when the first is slow."""

import asyncio
from collections.abc import Awaitable, Callable

from contracts.errors import Problem

from teacher_gateway.providers.base import Reply

Ask = Callable[[], Awaitable[Reply]]


async def first_reply(ask: Ask, hedge_after_seconds: float) -> Reply:
    """The first reply of one call, or of two when there is none after `hedge_after_seconds`.

    Raises the later failure when both fail. The slower call is cut off.
    """
    calls = {asyncio.ensure_future(ask())}
    try:
        done, pending = await asyncio.wait(calls, timeout=hedge_after_seconds)
        if not done:
            calls.add(asyncio.ensure_future(ask()))
            pending = set(calls)
        while True:
            for call in done:
                if not isinstance(call.exception(), Problem) or not pending:
                    return call.result()
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
