"""Limits, breaker and hedge: what they promise, by property and against real servers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts import keys
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from teacher_gateway.failures import TeacherFailure
from teacher_gateway.providers.base import Reply
from teacher_gateway.teachers_file import Breaker, Limits
from teacher_gateway.traffic.breaker import Circuit
from teacher_gateway.traffic.hedge import first_reply
from teacher_gateway.traffic.window import Window, minute_of

from .conftest import StartGateway, StartTeacher
from .scripted import STALL, ScriptedTeacher, chat_completion, chat_error, guidance_request, http_answer

OK = http_answer(200, chat_completion("Check the carry."))
BROKEN = http_answer(500, chat_error("The server had an error"))
calls = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 30)), max_size=60)


@given(calls, st.integers(1, 8), st.integers(30, 100))
def test_no_minute_ever_holds_more_than_the_limit(calls: list[tuple[float, int]], requests: int, tokens: int) -> None:
    limits = Limits(requests_per_minute=requests, tokens_per_minute=tokens)
    window, now, taken = Window(), 1000.0, []
    for gap, size in calls:
        now += gap
        if window.take(now, minute_of("local", size, limits)) == 0:
            taken.append((now, size))
    for start, _ in taken:
        minute = [size for at, size in taken if start <= at < start + 60]
        assert len(minute) <= requests
        assert sum(minute) <= tokens


@given(calls, st.integers(1, 30))
def test_who_waits_as_told_gets_in_when_nobody_else_comes(calls: list[tuple[float, int]], size: int) -> None:
    limits = Limits(requests_per_minute=5, tokens_per_minute=60)
    window, now = Window(), 1000.0
    for gap, other in calls:
        now += gap
        window.take(now, minute_of("local", other, limits))
    wait = window.take(now, minute_of("local", size, limits))
    assert wait == 0 or window.take(now + wait, minute_of("local", size, limits)) == 0


def test_what_was_not_used_is_given_back() -> None:
    window, limits = Window(), Limits(tokens_per_minute=100)
    assert window.take(1000.0, minute_of("local", 90, limits)) == 0
    assert window.take(1000.5, minute_of("local", 90, limits)) == 61
    window.settle(1000, 5 - 90)
    assert window.take(1000.5, minute_of("local", 90, limits)) == 0


def test_the_breaker_opens_tries_once_and_closes() -> None:
    circuit = Circuit(Breaker(failures=2, pause_seconds=10))
    circuit.failed(0.0)
    assert circuit.wait(0.0) == 0
    circuit.failed(0.0)
    assert circuit.wait(4.0) == 6
    assert circuit.wait(10.0) == 0
    assert circuit.wait(10.0) > 0  # one trial at a time
    circuit.failed(11.0)
    assert circuit.wait(20.0) == 1
    assert circuit.wait(21.0) == 0
    circuit.succeeded()
    assert circuit.wait(21.0) == circuit.wait(21.0) == 0


async def test_the_hedge_answers_when_the_first_call_hangs() -> None:
    started = []

    async def ask() -> Reply:
        started.append(len(started))
        if len(started) == 1:
            await asyncio.sleep(60)
        return Reply("second", "m")

    assert (await first_reply(ask, 0.01)).text == "second"
    assert started == [0, 1]


async def test_no_hedge_for_a_fast_answer_or_a_fast_failure() -> None:
    started = []

    async def fail() -> Reply:
        started.append(1)
        raise TeacherFailure(502, "teacher_refused", "no")

    with pytest.raises(TeacherFailure, match="no"):
        await first_reply(fail, 5)
    assert started == [1]


def local(tmp_path: Path, server: ScriptedTeacher, **provider: Any) -> Path:
    """A teachers file with one local teacher."""
    settings = {"kind": "openai_compatible", "base_url": server.base_url, **provider}
    file = {"providers": {"local": settings}, "teachers": {"coach": {"provider": "local", "model": "m"}}}
    path = tmp_path / "teachers.yaml"
    path.write_text(yaml.safe_dump(file))
    return path


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "redis"])
async def test_beyond_the_limit_the_caller_hears_when_to_come_back(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str, shared: bool
) -> None:
    server = await start_teacher(OK)
    path = local(tmp_path, server, limits={"requests_per_minute": 3})
    gateway = await start_gateway(teachers_file=path, redis_url=redis_url if shared else None)
    body = guidance_request({"name": "coach", "timeout_seconds": 5})
    answers = await asyncio.gather(*(gateway.post("/v1/guidance", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 5
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.json()["code"] == "teacher_rate_limited"
    assert 55 <= int(refused.headers["Retry-After"]) <= 61
    assert len(server.seen) == 3
    assert 'socratic_teacher_rate_limited_total{provider="local"} 5.0' in (await gateway.get("/metrics")).text


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "redis"])
async def test_a_call_takes_its_estimate_of_the_minute_and_gives_back_what_it_did_not_use(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str, shared: bool
) -> None:
    server = await start_teacher(OK, OK, STALL)  # 29 tokens each
    path = local(tmp_path, server, limits={"tokens_per_minute": 3000})
    gateway = await start_gateway(teachers_file=path, redis_url=redis_url if shared else None)
    spec = {"name": "coach", "timeout_seconds": 2, "max_guidance_tokens": 2000}
    for _ in range(2):
        assert (await gateway.post("/v1/guidance", json=guidance_request(spec))).status_code == 200
    stalled = asyncio.ensure_future(gateway.post("/v1/guidance", json=guidance_request(spec)))
    for _ in range(3):
        await server.arrivals.acquire()
    refused = await gateway.post("/v1/guidance", json=guidance_request(spec))
    assert (refused.status_code, refused.json()["code"]) == (503, "teacher_rate_limited")
    assert (await stalled).status_code == 504
    assert len(server.seen) == 3


@pytest.mark.parametrize("whose", ["ours", "the provider's"])
async def test_a_throttled_job_is_told_to_the_controller(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str, whose: str
) -> None:
    limited = http_answer(429, chat_error("Rate limit reached"), {"retry-after": "60"})
    server = await start_teacher(*([OK] if whose == "ours" else [OK, limited]))
    limits = {"requests_per_minute": 1} if whose == "ours" else {}
    gateway = await start_gateway(teachers_file=local(tmp_path, server, limits=limits), redis_url=redis_url)
    body = guidance_request({"name": "coach", "timeout_seconds": 5})
    async with Redis.from_url(redis_url) as redis:
        assert (await gateway.post("/v1/guidance", json=body)).status_code == 200
        assert await redis.get(keys.throttled("job-1")) is None
        assert (await gateway.post("/v1/guidance", json=body)).status_code == 503
        assert await redis.get(keys.throttled("job-1")) == b"local"
        assert 50 <= await redis.ttl(keys.throttled("job-1")) <= 61


async def test_calls_in_flight_are_bounded(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server = await start_teacher(STALL)
    gateway = await start_gateway(teachers_file=local(tmp_path, server, limits={"max_in_flight": 2}))
    patient = guidance_request({"name": "coach", "timeout_seconds": 3})
    hasty = guidance_request({"name": "coach", "timeout_seconds": 0.3})
    first = [asyncio.ensure_future(gateway.post("/v1/guidance", json=patient)) for _ in range(2)]
    for _ in range(2):
        await server.arrivals.acquire()
    answers = await asyncio.gather(*(gateway.post("/v1/guidance", json=hasty) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {504}
    assert len(server.seen) == 2
    await asyncio.gather(*first)


async def test_a_provider_that_is_down_is_left_alone(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server = await start_teacher(BROKEN)
    path = local(tmp_path, server, breaker={"failures": 2, "pause_seconds": 60})
    gateway = await start_gateway(teachers_file=path)
    body = guidance_request({"name": "coach", "timeout_seconds": 5})
    for _ in range(3):
        answer = await gateway.post("/v1/guidance", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "teacher_resting")
    assert 58 <= int(answer.headers["Retry-After"]) <= 60
    assert len(server.seen) == 2


async def test_a_slow_first_call_is_hedged(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server = await start_teacher(STALL, OK)
    gateway = await start_gateway(teachers_file=local(tmp_path, server, hedge_after_seconds=0.05))
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "coach", "timeout_seconds": 30}))
    assert answer.json()["text"] == "Check the carry."
    assert len(server.seen) == 2
