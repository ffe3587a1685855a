"""Down the ladder: the first rung that gives guidance within its share of the time."""

import asyncio
from collections.abc import Sequence

import structlog

from teacher_gateway.calls import Caller
from teacher_gateway.failures import TeacherFailure
from teacher_gateway.retries import ask_until
from teacher_gateway.rungs import Rung
from teacher_gateway.seams import Call, Given, RungExhausted

log = structlog.get_logger()


async def climb_down(rungs: Sequence[Rung], prompt: str, deadline: float, caller: Caller) -> Given:
    """Guidance of the highest rung that gives any before `deadline` (event loop time). Raises the last rung's Problem.

    Only failures of the teacher lead down; a request that no rung could serve ends at once.
    """
    for position, rung in enumerate(rungs, 1):
        try:
            return await _ask_rung(rung, prompt, share_of(deadline, rung, len(rungs) - position), caller)
        except (TeacherFailure, RungExhausted) as failure:
            if position == len(rungs):
                raise
            log.warning("rung_left", rung=rung.name, code=failure.code, detail=failure.detail)
    raise AssertionError("the last rung returns or raises")


async def _ask_rung(rung: Rung, prompt: str, deadline: float, caller: Caller) -> Given:
    call = Call(rung.name, rung.provider_name, prompt, rung.request)
    reply = await ask_until(deadline, lambda: caller.call(rung, call, deadline))
    return Given(rung.name, rung.provider_name, reply)


def share_of(deadline: float, rung: Rung, rungs_below: int) -> float:
    """When a rung gives up: at its own time-out, else after an equal share; the last one has all that is left."""
    now = asyncio.get_running_loop().time()
    share = (deadline - now) / (rungs_below + 1)
    own = share if rung.timeout_seconds is None else rung.timeout_seconds
    return min(deadline, now + own) if rungs_below else deadline
