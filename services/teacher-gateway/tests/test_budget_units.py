"""Caps in USD, tokens and requests, on a job and on a provider: each lets through what fits, and not one unit more."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from teacher_gateway.money.estimates import TEMPLATE_TOKENS

from .conftest import StartGateway, StartTeacher
from .scripted import STALL, ScriptedTeacher, chat_completion, compatible, guidance_request, http_answer

USED_TOKENS = 19 + 10
OK = http_answer(200, chat_completion("Check the carry."))
MOST_GUIDANCE = 100
# Of any token, so that USD are tokens at another scale.
USD_PER_TOKEN = 0.003
PRICE = dict.fromkeys(["prompt_usd_per_million", "completion_usd_per_million"], USD_PER_TOKEN * 1e6)


def teachers_file(path: Path, base_url: str, budget: dict[str, Any] | None, **provider: Any) -> Path:
    account = {"kind": "openai_compatible", "base_url": base_url, "budget": budget, **provider}
    teachers = {"dear": {"provider": "account", "model": "m", "price": PRICE, "ladder": ["retry"]}}
    path.write_text(yaml.safe_dump({"providers": {"account": account}, "teachers": teachers}))
    return path


async def worst_case(gateway: httpx2.AsyncClient, teacher: ScriptedTeacher) -> int:
    """Tokens that one call reserves: one for each byte of its prompt, what may be wrapped around it, the guidance."""
    other = compatible(teacher.base_url)
    assert (await gateway.post("/v1/guidance", json=guidance_request(other, job_id="other"))).status_code == 200
    prompt = teacher.seen.pop().body["messages"][0]["content"]
    return len(prompt.encode()) + TEMPLATE_TOKENS + MOST_GUIDANCE


def cap_for(unit: str, calls: int, worst: int, short: int) -> dict[str, float]:
    """The least cap that lets `calls` calls through one after the other, less `short` of its smallest steps."""
    tokens = (calls - 1) * USED_TOKENS + worst
    match unit:
        case "usd":
            return {"usd": round(tokens * USD_PER_TOKEN - short * 1e-9, 9)}
        case "tokens":
            return {"tokens": tokens - short}
        case _:
            return {"requests": calls - short}


@pytest.mark.parametrize("short", [0, 1], ids=["enough", "one-too-few"])
@pytest.mark.parametrize("unit", ["usd", "tokens", "requests"])
@pytest.mark.parametrize("level", ["job", "provider"])
async def test_a_cap_is_kept_to_its_last_unit(
    start_gateway: StartGateway,
    start_teacher: StartTeacher,
    tmp_path: Path,
    redis_url: str,
    level: str,
    unit: str,
    short: int,
) -> None:
    teacher = await start_teacher(OK)
    cap = cap_for(unit, 3, await worst_case(await start_gateway(), teacher), short)
    file = teachers_file(tmp_path / "t.yaml", teacher.base_url, cap if level == "provider" else None)
    gateway = await start_gateway(teachers_file=file, redis_url=redis_url)
    spec = {"name": "dear", "max_guidance_tokens": MOST_GUIDANCE, "budget": cap if level == "job" else None}
    jobs = ["job-1"] * 4 if level == "job" else ["job-1", "job-2", "job-3", "job-4"]
    answers = [await gateway.post("/v1/guidance", json=guidance_request(spec, job_id=job)) for job in jobs]
    assert len(teacher.seen) == 3 - short
    if level == "job":
        assert [answer.status_code for answer in answers] == [200] * (3 - short) + [402] * (1 + short)
        assert f"{unit} cap of job:job-1" in answers[3].json()["detail"]
    else:
        assert [answer.json()["rung"] for answer in answers] == ["dear"] * (3 - short) + ["retry"] * (1 + short)


@pytest.fixture
async def hedged(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> tuple[ScriptedTeacher, httpx2.AsyncClient]:
    """(teacher, gateway): the first call stalls, and a hedge would be answered."""
    teacher = await start_teacher(STALL, OK)
    file = teachers_file(tmp_path / "t.yaml", teacher.base_url, None, hedge_after_seconds=0.05)
    return teacher, await start_gateway(teachers_file=file, redis_url=redis_url)


async def test_both_calls_of_a_hedge_are_paid_for(hedged: tuple[ScriptedTeacher, httpx2.AsyncClient]) -> None:
    _, gateway = hedged
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "dear", "budget": {"requests": 2}}))
    assert answer.json()["price_usd"] == pytest.approx(USED_TOKENS * USD_PER_TOKEN)
    found = (await gateway.get("/v1/budgets/job-1")).json()
    assert (found["settled"]["requests"], found["held"]["requests"]) == (1, 2)
    # Nobody knows what the call that was cut off has cost: its worst case stays.
    assert found["held"]["tokens"] > found["settled"]["tokens"] + MOST_GUIDANCE


async def test_a_hedge_that_no_cap_has_room_for_is_not_made(hedged: tuple[ScriptedTeacher, httpx2.AsyncClient]) -> None:
    teacher, gateway = hedged
    spec = {"name": "dear", "budget": {"requests": 1}, "timeout_seconds": 1}
    answer = await gateway.post("/v1/guidance", json=guidance_request(spec))
    assert answer.json()["rung"] == "retry"  # what the ladder has below a teacher that did not answer
    assert len(teacher.seen) == 1


@pytest.mark.parametrize(("then", "rung"), [("ladder", "free"), ("without_guidance", "retry")])
async def test_a_cheaper_teacher_of_the_ladder_is_asked_when_the_dear_one_is_exhausted(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str, then: str, rung: str
) -> None:
    teacher = await start_teacher(OK)
    file = teachers_file(tmp_path / "t.yaml", teacher.base_url, None)
    described = yaml.safe_load(file.read_text())
    described["teachers"]["dear"]["ladder"] = ["free", "retry"]
    described["teachers"]["free"] = {"provider": "account", "model": "small"}
    file.write_text(yaml.safe_dump(described))
    gateway = await start_gateway(teachers_file=file, redis_url=redis_url)
    spec = {"name": "dear", "budget": {"usd": 0.001, "when_exhausted": then}}
    answer = (await gateway.post("/v1/guidance", json=guidance_request(spec))).json()
    assert (answer["rung"], answer["price_usd"]) == (rung, 0.0)
    assert [seen.body["model"] for seen in teacher.seen] == (["small"] if rung == "free" else [])
