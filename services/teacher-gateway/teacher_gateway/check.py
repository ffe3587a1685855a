"""Does a teacher answer? One short, real guidance from each."""

import asyncio
import time
from collections.abc import Sequence

from contracts.errors import Problem, invalid
from contracts.guidance import GuidanceRequest, Turn
from contracts.teachers import TeacherSpec
from pydantic import BaseModel

from teacher_gateway.gateway import Gateway

# A user waits for it; a teacher that needs longer for one sentence would hold up a job too.
CHECK_SECONDS = 30.0
CHECK_TOKENS = 64
CHECK_JOB = "teachers-check"


class Check(BaseModel):
    """What came of one teacher; `code` is `ok` or that of its problem."""

    name: str
    code: str
    detail: str
    model: str = ""
    seconds: float
    completion_tokens: int = 0
    price_usd: float = 0.0


async def check_all(gateway: Gateway, names: Sequence[str] | None) -> list[Check]:
    """In the file's order, asked at the same time. Raises a 422 for a name that the file has not."""
    known = gateway.staff.teachers
    for name in names or ():
        if name not in known:
            raise invalid("names", f"there is no teacher {name}; there are: {', '.join(sorted(known)) or 'none'}")
    return list(await asyncio.gather(*(_check(gateway, name) for name in (known if names is None else names))))


async def _check(gateway: Gateway, name: str) -> Check:
    started = time.perf_counter()
    try:
        given = await gateway.guide(_question(name), alone=True)
    except Problem as problem:
        seconds = round(time.perf_counter() - started, 3)
        return Check(name=name, code=problem.code, detail=problem.detail, seconds=seconds)
    return Check(
        name=name,
        code="ok",
        detail=given.text,
        model=given.model,
        seconds=round(given.latency_seconds, 3),
        completion_tokens=given.completion_tokens,
        price_usd=given.price_usd,
    )


def _question(name: str) -> GuidanceRequest:
    teacher = TeacherSpec(
        provider="named", name=name, max_guidance_tokens=CHECK_TOKENS, timeout_seconds=CHECK_SECONDS, leak_guard="off"
    )
    question, answer = "What is 17 + 25?", "<answer>32</answer>"
    return GuidanceRequest(
        job_id=CHECK_JOB,
        episode_id=f"{CHECK_JOB}/{name}",
        attempt=1,
        teacher=teacher,
        question=question,
        dialogue=[Turn(role="user", content=question), Turn(role="assistant", content=answer)],
        latest_answer=answer,
    )
