"""The forecast: closed forms, and the door."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from teacher_gateway.money.forecast import Plan, forecast
from teacher_gateway.money.prices import FREE, PriceSpec

from .conftest import StartGateway, StartTeacher
from .scripted import chat_completion, compatible, guidance_request, http_answer

PRICE = PriceSpec(prompt_usd_per_million=3.0, completion_usd_per_million=30.0)
PLAN = Plan(episodes=1000, max_attempts=3, failure_low=0.5, failure_high=0.5, question_bytes=600, answer_bytes=300)


def test_two_guidances_an_episode_by_hand() -> None:
    """500 calls after the first attempt, 250 after the second; at 3 bytes a token and 250 tokens of guidance."""
    found = forecast([PLAN], 1500, 1024, PRICE)
    first, second = (1500 + 1200 + 300) / 3, (1500 + 1200 + 600) / 3 + 250
    assert found.requests.high == found.requests.low == 750
    assert found.tokens.high == 500 * (first + 250) + 250 * (second + 250)
    assert found.usd is not None
    assert found.usd.high == (500 * (first * 3 + 250 * 30) + 250 * (second * 3 + 250 * 30)) / 1e6


def test_one_attempt_asks_nobody_and_a_free_teacher_costs_nothing() -> None:
    alone = PLAN.model_copy(update={"max_attempts": 1})
    assert forecast([alone], 1500, 1024, PRICE).requests.high == 0
    free = forecast([PLAN], 1500, 1024, FREE).usd
    assert free is not None
    assert free.high == 0
    assert forecast([PLAN], 1500, 1024, None).usd is None


RATES = st.floats(0, 1)


@given(low=RATES, high=RATES, attempts=st.integers(1, 16), guidance=st.integers(1, 8192))
def test_the_range_is_a_range(low: float, high: float, attempts: int, guidance: int) -> None:
    rates = {"failure_low": min(low, high), "failure_high": max(low, high), "max_attempts": attempts}
    found = forecast([PLAN.model_copy(update=rates)], 1500, guidance, PRICE)
    assert found.usd is not None
    for part in (found.requests, found.tokens, found.usd):
        assert 0 <= part.low <= part.high


async def test_the_door(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()

    async def ask(**teacher: Any) -> dict[str, Any]:
        spec = compatible("https://api.openai.com/v1", **teacher)
        answer = await gateway.post("/v1/forecast", json={"teacher": spec, "plans": [PLAN.model_dump()] * 2})
        found: dict[str, Any] = answer.json()
        return found

    known = await ask(model="gpt-4.1")
    assert known["requests"] == {"low": 1500, "high": 1500}
    assert 0 < known["usd"]["low"] < known["usd"]["high"]
    assert (await ask(model="no-such-model"))["usd"] is None


@pytest.mark.parametrize(
    ("teacher", "usd_per_call"),
    [
        ({"provider": "tutor", "tutor": {"usd_per_call": 0.02}}, 0.02),
        ({"provider": "tutor"}, 0.0),
        ({"name": "dear"}, 0.01),
        ({"name": "free"}, 0.0),
        ({"provider": "retry"}, 0.0),
    ],
)
async def test_a_call_is_forecast_at_what_it_is_charged(
    start_gateway: StartGateway,
    start_teacher: StartTeacher,
    tmp_path: Path,
    teacher: dict[str, Any],
    usd_per_call: float,
) -> None:
    server = await start_teacher(http_answer(200, chat_completion("Check the carry.")))
    account = {"kind": "openai_compatible", "base_url": server.base_url}
    teachers = {
        "dear": {"provider": "account", "model": "m", "price": {"usd_per_call": 0.01}, "ladder": ["tutor"]},
        "free": {"provider": "account", "model": "m"},
    }
    file = tmp_path / "teachers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"account": account}, "teachers": teachers}))
    gateway = await start_gateway(teachers_file=file, tutor_url=server.base_url.removesuffix("/v1"))
    charged = await gateway.post("/v1/guidance", json=guidance_request(teacher))
    told = await gateway.post("/v1/forecast", json={"teacher": teacher, "plans": [PLAN.model_dump()]})
    assert charged.json()["price_usd"] == usd_per_call
    assert told.json()["usd"]["high"] == pytest.approx(usd_per_call * told.json()["requests"]["high"])


async def test_a_teacher_that_nobody_knows_has_no_forecast_in_usd(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    told = await gateway.post("/v1/forecast", json={"teacher": {"name": "nobody"}, "plans": [PLAN.model_dump()]})
    assert told.json()["usd"] is None
