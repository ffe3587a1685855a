"""Budgets through the gateway: what is counted, what happens at the cap, and which budgets are refused."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import StartGateway, StartTeacher
from .scripted import DROP, chat_completion, chat_error, compatible, guidance_request, http_answer

OK = http_answer(200, chat_completion("Check the carry."))  # 19 + 10 tokens
RETRY_TEXT = "Your answer is incorrect. Please try again."


async def spent(gateway: Any, job_id: str = "job-1") -> dict[str, Any]:
    answer: dict[str, Any] = (await gateway.get(f"/v1/budgets/{job_id}?episodes=true")).json()
    return answer


def priced(path: Path, base_url: str, budget: dict[str, Any] | None = None, **price: float) -> Path:
    """A teachers file with one teacher, `tutoress`, over a scripted server, and the retry text below it."""
    provider = {"kind": "openai_compatible", "base_url": base_url, "budget": budget}
    teacher = {"provider": "account", "model": "m", "price": price or None, "ladder": ["retry"]}
    path.write_text(yaml.safe_dump({"providers": {"account": provider}, "teachers": {"tutoress": teacher}}))
    return path


def named(**changes: Any) -> dict[str, Any]:
    return {"provider": "named", "name": "tutoress", "timeout_seconds": 5, "max_guidance_tokens": 100, **changes}


async def test_a_guidance_is_priced_and_added_up(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    price = {"prompt_usd_per_million": 2.0, "completion_usd_per_million": 8.0}
    gateway = await start_gateway(
        teachers_file=priced(tmp_path / "t.yaml", teacher.base_url, **price), redis_url=redis_url
    )
    body = guidance_request(named(budget={"usd": 1.0}))
    cost = (19 * 2 + 10 * 8) / 1e6
    for _ in range(2):
        assert (await gateway.post("/v1/guidance", json=body)).json()["price_usd"] == pytest.approx(cost)
    found = await spent(gateway)
    assert found["settled"] == found["held"] == {"usd": pytest.approx(2 * cost), "tokens": 58, "requests": 2}
    assert found["usd_by_teacher"] == {"tutoress": pytest.approx(2 * cost)}
    assert found["usd_by_provider"] == {"account": pytest.approx(2 * cost)}
    assert found["usd_by_step"] == {"train/1": pytest.approx(2 * cost)}
    assert found["usd_by_episode"] == {"job-1/train/1/q-7/0": pytest.approx(2 * cost)}
    metrics = (await gateway.get("/metrics")).text
    assert 'socratic_guidance_rungs_total{rung="tutoress"} 2.0' in metrics
    (usd,) = re.findall(r'^socratic_guidance_spend_usd_total\{provider="account"\} (\S+)$', metrics, re.MULTILINE)
    assert float(usd) == pytest.approx(2 * cost)


@pytest.mark.parametrize(
    ("then", "status", "text"),
    [("pause", 402, None), ("ladder", 200, RETRY_TEXT), ("without_guidance", 200, RETRY_TEXT)],
)
@pytest.mark.parametrize("named_teacher", [True, False])
async def test_the_job_says_what_happens_at_its_cap(
    start_gateway: StartGateway,
    start_teacher: StartTeacher,
    tmp_path: Path,
    redis_url: str,
    then: str,
    status: int,
    text: str | None,
    named_teacher: bool,
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(teachers_file=priced(tmp_path / "t.yaml", teacher.base_url), redis_url=redis_url)
    budget = {"requests": 3, "when_exhausted": then}
    spec = named(budget=budget) if named_teacher else compatible(teacher.base_url, budget=budget)
    answers = [await gateway.post("/v1/guidance", json=guidance_request(spec)) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, status, status]
    assert len(teacher.seen) == 3
    if text:
        assert (answers[4].json()["text"], answers[4].json()["provider"]) == (text, "retry")
    else:
        assert answers[4].json()["code"] == "budget_exhausted"
        assert "requests cap of job:job-1" in answers[4].json()["detail"]


async def test_a_cap_that_was_raised_holds_and_a_job_without_budget_stays_without(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(teachers_file=priced(tmp_path / "t.yaml", teacher.base_url), redis_url=redis_url)
    capped = guidance_request(named(budget={"requests": 2}))
    free = guidance_request(named(), job_id="job-2")

    async def statuses(body: dict[str, Any], calls: int = 3) -> list[int]:
        return [(await gateway.post("/v1/guidance", json=body)).status_code for _ in range(calls)]

    assert await statuses(capped) == [200, 200, 402]
    raised = await gateway.put("/v1/budgets/job-1", json={"requests": 4})
    assert raised.json()["caps"] == {"usd": None, "tokens": None, "requests": 4}
    assert await statuses(capped) == [200, 200, 402]
    assert (await gateway.put("/v1/budgets/job-1", json={"requests": 3})).status_code == 200
    assert await statuses(capped, 1) == [402]
    await gateway.put("/v1/budgets/job-2", json={"requests": 1})
    assert await statuses(free) == [200, 200, 200]
    refused = await gateway.put("/v1/budgets/job-1", json={"request": 4})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "request")


async def test_a_providers_cap_holds_for_all_jobs_and_leads_down_the_ladder(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    file = priced(tmp_path / "t.yaml", teacher.base_url, {"requests": 2})
    gateway = await start_gateway(teachers_file=file, redis_url=redis_url)
    bodies = [guidance_request(named(), job_id=f"job-{number}") for number in range(4)]
    rungs = [(await gateway.post("/v1/guidance", json=body)).json()["rung"] for body in bodies]
    assert rungs == ["tutoress", "tutoress", "retry", "retry"]
    assert len(teacher.seen) == 2


@pytest.mark.parametrize(
    ("first", "tokens"),
    [
        (http_answer(429, chat_error("Rate limit reached"), {"retry-after": "0"}), 29),
        (http_answer(500, chat_error("The server had an error")), 29),
        # Nobody knows what these have cost, so their worst case stays counted.
        (OK[:-10] + DROP, None),
        (http_answer(200, {"choices": [{"message": {"content": "Look."}}], "usage": None}), None),
    ],
    ids=["429", "500", "cut-short", "uncounted"],
)
async def test_a_try_of_unknown_cost_stays_at_its_estimate(
    start_gateway: StartGateway, start_teacher: StartTeacher, redis_url: str, first: bytes, tokens: int | None
) -> None:
    teacher = await start_teacher(first, OK)
    gateway = await start_gateway(redis_url=redis_url)
    spec = compatible(teacher.base_url, max_guidance_tokens=100)
    assert (await gateway.post("/v1/guidance", json=guidance_request(spec))).status_code == 200
    settled = (await spent(gateway))["settled"]
    assert settled["requests"] == len(teacher.seen)
    sent = len(json.dumps(teacher.seen[0].body["messages"]))
    assert settled["tokens"] == tokens if tokens else settled["tokens"] > sent // 2


async def test_a_cap_that_cannot_be_kept_is_refused(
    start_gateway: StartGateway, start_teacher: StartTeacher, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    alone = await start_gateway()
    body = guidance_request(compatible(teacher.base_url, budget={"tokens": 10_000}))
    answer = await alone.post("/v1/guidance", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "budget_unavailable")
    gateway = await start_gateway(redis_url=redis_url)
    stranger = compatible("https://models.example.com/v1", budget={"usd": 5})
    answer = await gateway.post("/v1/guidance", json=guidance_request(stranger))
    assert (answer.status_code, answer.json()["code"]) == (422, "price_unknown")
    assert teacher.seen == []


async def test_without_its_ledger_a_gateway_gives_only_what_has_no_cap(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(redis_url="redis://127.0.0.1:1/0")
    free = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert free.status_code == 200
    capped = compatible(teacher.base_url, budget={"requests": 5})
    answer = await gateway.post("/v1/guidance", json=guidance_request(capped))
    assert (answer.status_code, answer.json()["code"]) == (503, "ledger_unreachable")
    assert len(teacher.seen) == 1


async def test_hundreds_of_guidances_may_come_at_once(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    # redis-py's own pool raises "Too many connections" beyond 100 commands at once.
    teacher = await start_teacher(OK)
    limits = {"requests_per_minute": 10_000}
    file = tmp_path / "t.yaml"
    account = {"kind": "openai_compatible", "base_url": teacher.base_url, "limits": limits}
    rungs = {"tutoress": {"provider": "account", "model": "m"}}
    file.write_text(yaml.safe_dump({"providers": {"account": account}, "teachers": rungs}))
    gateway = await start_gateway(teachers_file=file, redis_url=redis_url)
    body = guidance_request(named(timeout_seconds=60, budget={"requests": 10_000}))
    answers = await asyncio.gather(*(gateway.post("/v1/guidance", json=body) for _ in range(300)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await spent(gateway))["settled"]["requests"] == 300


async def test_a_budget_in_usd_costs_a_local_teacher_nothing(
    start_gateway: StartGateway, start_teacher: StartTeacher, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(redis_url=redis_url)
    body = guidance_request(compatible(teacher.base_url, budget={"usd": 0}))
    assert (await gateway.post("/v1/guidance", json=body)).status_code == 200


async def test_a_request_that_could_not_be_sent_is_not_counted(start_gateway: StartGateway, redis_url: str) -> None:
    gateway = await start_gateway(redis_url=redis_url)
    body = guidance_request(compatible("http://user:password@127.0.0.1/v1", budget={"requests": 5}))
    assert (await gateway.post("/v1/guidance", json=body)).status_code == 422
    assert (await spent(gateway))["held"] == {"usd": 0.0, "tokens": 0, "requests": 0}
