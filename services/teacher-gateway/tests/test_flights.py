"""Equal guidances at the same time are paid for once: in one gateway, and among all that share a Redis."""

import asyncio
from pathlib import Path

from contracts import keys
from redis.asyncio import Redis

from .conftest import StartGateway, StartTeacher
from .scripted import STALL, chat_completion, chat_error, compatible, guidance_request, http_answer
from .test_cassette import ask, files_below, with_cassette

OK = http_answer(200, chat_completion("Check the carry."))
# Time enough for a second call, if there were one.
SHORT_SECONDS = 0.3


async def test_equal_guidances_at_the_same_time_are_paid_for_once(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(cassette_root=tmp_path)
    bodies = [with_cassette(teacher.base_url, "replay_or_record", seed=seed) for seed in (1, 1, 1, 1, 2)]
    answers = [answer.json() for answer in await asyncio.gather(*(ask(gateway, body) for body in bodies))]
    assert [answer["text"] for answer in answers] == ["Check the carry."] * 5
    assert sorted(answer["replayed"] for answer in answers) == [False, False, True, True, True]
    assert len(teacher.seen) == 2


async def test_a_failed_flight_is_nobody_elses_failure_and_a_stalled_one_holds_nobody_beyond_its_deadline(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(http_answer(401, chat_error("no")), OK, STALL)
    gateway = await start_gateway(cassette_root=tmp_path)
    body = with_cassette(teacher.base_url, "replay_or_record")
    first, second = await asyncio.gather(ask(gateway, body), ask(gateway, body))
    assert sorted([first.status_code, second.status_code]) == [200, 502]
    hurried = guidance_request(
        compatible(teacher.base_url, cassette={"mode": "replay_or_record"}, timeout_seconds=0.4), seed=9
    )
    stalled = await asyncio.gather(ask(gateway, hurried), ask(gateway, hurried))
    assert [answer.json()["code"] for answer in stalled] == ["teacher_timeout"] * 2


async def test_two_gateways_pay_once_for_equal_guidances(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(STALL)
    gateways = [await start_gateway(cassette_root=tmp_path, redis_url=redis_url) for _ in range(2)]
    body = with_cassette(teacher.base_url, "replay_or_record")
    flights = [asyncio.ensure_future(ask(gateway, body)) for gateway in gateways]
    await teacher.arrivals.acquire()
    await asyncio.sleep(SHORT_SECONDS)
    teacher.writers[0].write(OK)
    assert sorted([answer.json()["replayed"] for answer in await asyncio.gather(*flights)]) == [False, True]
    assert len(teacher.seen) == 1
    async with Redis.from_url(redis_url) as redis:
        assert await redis.keys("socratic:flight:*") == []


async def test_a_flight_of_a_gateway_that_died_holds_nobody_for_long(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(cassette_root=tmp_path, redis_url=redis_url)
    body = with_cassette(teacher.base_url, "replay_or_record")
    await ask(gateway, body)
    (kept,) = files_below(tmp_path)
    kept.unlink()
    async with Redis.from_url(redis_url) as redis:
        lease = keys.flight("night", kept.stem)
        await redis.set(lease, "dead", px=300)
        assert (await ask(gateway, body)).json()["replayed"] is False
        kept.unlink()
        await redis.set(lease, "alive", px=60_000)
        hurried = {**body, "teacher": {**body["teacher"], "timeout_seconds": 0.4}}
        answer = await ask(gateway, hurried)
    assert (answer.status_code, answer.json()["code"]) == (504, "teacher_timeout")
    assert len(teacher.seen) == 2


async def test_without_its_redis_a_gateway_still_records(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(cassette_root=tmp_path, redis_url="redis://127.0.0.1:1/0")
    body = with_cassette(teacher.base_url, "replay_or_record")
    assert [(await ask(gateway, body)).json()["replayed"] for _ in range(2)] == [False, True]
