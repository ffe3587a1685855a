"""The client of the teacher gateway."""

import asyncio

import pytest
from contracts.errors import Problem
from contracts.guidance import GuidanceRequest, GuidanceResponse, Turn
from contracts.teachers import TeacherSpec
from orchestrator.rollout.retries import RolloutError
from orchestrator.rollout.teacher import Teacher
from servicekit.http_client import Connections

from .standins import HINT, Fault, Gateway, drop, respond, status

REQUEST = GuidanceRequest(
    job_id="job-1",
    episode_id="job-1/train/1/q/0",
    attempt=1,
    teacher=TeacherSpec(),
    question="choose",
    dialogue=[Turn(role="user", content="choose")],
    latest_answer="<answer> A </answer>",
)


async def ask(connections: Connections, url: str, seconds: float = 10.0) -> GuidanceResponse:
    return await Teacher(connections, url).guide(REQUEST, asyncio.get_running_loop().time() + seconds)


async def test_guidance(connections: Connections, gateway: Gateway) -> None:
    assert (await ask(connections, gateway.url)).text == HINT
    assert GuidanceRequest.model_validate(gateway.seen[0]) == REQUEST


@pytest.mark.parametrize("fault", [status(503), status(429, {"Retry-After": "0"}), drop], ids=["503", "429", "drop"])
async def test_only_an_absent_or_busy_gateway_is_asked_again(
    connections: Connections, gateway: Gateway, fault: Fault
) -> None:
    gateway.faults.append(fault)
    assert (await ask(connections, gateway.url)).text == HINT
    assert len(gateway.seen) == 2


async def test_retry_after_is_honoured(connections: Connections, gateway: Gateway) -> None:
    problem = Problem(429, "budget_reserved", "later").as_dict()
    gateway.faults.append(status(429, {"Retry-After": "11"}, problem))
    with pytest.raises(RolloutError) as caught:
        await ask(connections, gateway.url)
    assert (caught.value.code, len(gateway.seen)) == ("budget_reserved", 1)


@pytest.mark.parametrize("code", [400, 422, 500, 502, 504])
async def test_the_gateways_own_failures_are_final(connections: Connections, gateway: Gateway, code: int) -> None:
    gateway.faults.append(status(code, body=Problem(code, "teacher_timeout", "no guidance within 60 s").as_dict()))
    with pytest.raises(RolloutError) as caught:
        await ask(connections, gateway.url)
    assert (caught.value.code, caught.value.detail) == ("teacher_timeout", "no guidance within 60 s")
    assert len(gateway.seen) == 1


async def test_a_broken_reply_is_named(connections: Connections, gateway: Gateway) -> None:
    gateway.faults.append(respond(lambda body: {"texts": []}))
    with pytest.raises(RolloutError) as caught:
        await ask(connections, gateway.url)
    assert caught.value.code == "gateway_contract"


async def test_a_guidance_is_not_asked_for_twice_before_the_teachers_own_deadline(
    connections: Connections, gateway: Gateway
) -> None:
    gateway.talking.clear()
    patient = REQUEST.model_copy(update={"teacher": REQUEST.teacher.model_copy(update={"timeout_seconds": 3.0})})
    hasty = REQUEST.model_copy(update={"teacher": REQUEST.teacher.model_copy(update={"timeout_seconds": 0.5})})
    for request, asked in ((patient, 1), (hasty, 2)):
        gateway.seen.clear()
        guiding = asyncio.create_task(
            Teacher(connections, gateway.url).guide(request, asyncio.get_running_loop().time() + 3.0)
        )
        await asyncio.sleep(2.6)
        assert len(gateway.seen) == asked
        guiding.cancel()
        await asyncio.wait([guiding])
