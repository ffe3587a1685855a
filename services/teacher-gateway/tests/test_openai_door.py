"""The OpenAI-compatible door, tried with OpenAI's own client; and the check of every teacher."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import openai
import pytest
import yaml

from .conftest import StartGateway, StartTeacher
from .scripted import ScriptedTeacher, chat_completion, chat_error, http_answer

OK = http_answer(200, chat_completion("Check the carry."))
REFUSED = http_answer(401, chat_error("Incorrect API key provided"))


@pytest.fixture
async def gateway(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> httpx2.AsyncClient:
    """Teachers: coach answers, strict refuses and has coach below it."""
    servers = {"good": await start_teacher(OK), "bad": await start_teacher(REFUSED)}
    file = {
        "providers": {
            name: {"kind": "openai_compatible", "base_url": server.base_url, "limits": {"requests_per_minute": 3}}
            for name, server in servers.items()
        },
        "teachers": {
            "coach": {"provider": "good", "model": "qwen"},
            "strict": {"provider": "bad", "model": "gpt", "ladder": ["coach"]},
        },
    }
    (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(file))
    places = {"teachers_file": tmp_path / "teachers.yaml", "cassette_root": tmp_path / "cassettes"}
    return await start_gateway(redis_url=redis_url, **places)


@pytest.fixture
async def client(gateway: httpx2.AsyncClient) -> AsyncIterator[openai.AsyncOpenAI]:
    """The real client of the openai package; its own retries are off."""
    async with openai.AsyncOpenAI(
        api_key="unused", base_url="http://gateway/v1", http_client=gateway, max_retries=0
    ) as client:
        yield client


async def test_models_are_the_teachers(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["coach", "strict", "retry"]


async def test_a_completion(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model="coach", messages=[{"role": "user", "content": "17 + 25?"}], max_tokens=50, temperature=0.5, seed=3
    )
    (choice,) = completion.choices
    assert (choice.message.content, choice.finish_reason) == ("Check the carry.", "stop")
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (19, 10)
    assert completion.model == "gpt-4.1-2025-04-14"


async def test_a_completion_that_was_cut_says_so(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model="coach", messages=[{"role": "user", "content": "17 + 25?"}], max_tokens=10
    )
    assert completion.choices[0].finish_reason == "length"


async def test_what_the_teacher_is_sent(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server: ScriptedTeacher = await start_teacher(OK)
    file = {
        "providers": {"good": {"kind": "openai_compatible", "base_url": server.base_url}},
        "teachers": {"coach": {"provider": "good", "model": "qwen"}},
    }
    (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(file))
    gateway = await start_gateway(teachers_file=tmp_path / "teachers.yaml")
    single = {"model": "coach", "messages": [{"role": "user", "content": "17 + 25?"}], "max_tokens": 50, "seed": 3}
    dialogue = {"model": "coach", "messages": [{"role": "system", "content": "Be brief."}, *single["messages"]]}
    for chat in (single, dialogue):
        assert (await gateway.post("/v1/chat/completions", json=chat)).status_code == 200
    assert server.seen[0].body == {
        "model": "qwen",
        "messages": [{"role": "user", "content": "17 + 25?"}],
        "temperature": 0.2,
        "max_tokens": 50,
        "seed": 3,
    }
    assert server.seen[1].body["messages"][0]["content"] == "System: Be brief.\n\nUser: 17 + 25?"


async def test_the_ladder_holds_here_too(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="strict", messages=[{"role": "user", "content": "?"}])
    assert completion.model_extra is not None
    assert completion.model_extra["socratic"]["rung"] == "coach"


async def test_the_limits_hold_here_too(client: openai.AsyncOpenAI) -> None:
    for _ in range(3):
        await client.chat.completions.create(model="coach", messages=[{"role": "user", "content": "?"}])
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="coach", messages=[{"role": "user", "content": "?"}])
    assert caught.value.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) > 50


async def test_the_cassette_holds_here_too(client: openai.AsyncOpenAI) -> None:
    ours = {"socratic": {"job_id": "notebook", "cassette": {"mode": "replay_or_record"}}}
    for replayed in (False, True, True, True, True):
        completion = await client.chat.completions.create(
            model="coach", messages=[{"role": "user", "content": "?"}], extra_body=ours
        )
        assert completion.model_extra is not None
        assert completion.model_extra["socratic"]["replayed"] is replayed


async def test_the_budget_holds_here_too(client: openai.AsyncOpenAI, gateway: httpx2.AsyncClient) -> None:
    ours = {"socratic": {"job_id": "notebook", "budget": {"requests": 1}}}
    await client.chat.completions.create(model="coach", messages=[{"role": "user", "content": "?"}], extra_body=ours)
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(
            model="coach", messages=[{"role": "user", "content": "?"}], extra_body=ours
        )
    assert caught.value.status_code == 402
    assert (await gateway.get("/v1/budgets/notebook")).json()["held"]["requests"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": "gpt-9"}, "model"),
        ({"stream": True}, "stream"),
        ({"tools": []}, "tools"),
        ({"messages": []}, "messages"),
    ],
)
async def test_what_is_not_offered_is_refused_by_name(
    gateway: httpx2.AsyncClient, change: dict[str, object], field: str
) -> None:
    chat = {"model": "coach", "messages": [{"role": "user", "content": "?"}], **change}
    answer = await gateway.post("/v1/chat/completions", json=chat)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_each_teacher_is_checked_without_its_ladder(gateway: httpx2.AsyncClient) -> None:
    checks = {check["name"]: check for check in (await gateway.post("/v1/teachers/check", json={})).json()["data"]}
    assert (checks["coach"]["code"], checks["coach"]["model"]) == ("ok", "gpt-4.1-2025-04-14")
    assert checks["coach"]["detail"] == "Check the carry."
    assert checks["strict"]["code"] == "teacher_refused"
    assert "Incorrect API key" in checks["strict"]["detail"]
    one = await gateway.post("/v1/teachers/check", json={"names": ["coach"]})
    assert [check["name"] for check in one.json()["data"]] == ["coach"]
    nobody = await gateway.post("/v1/teachers/check", json={"names": ["nobody"]})
    assert (nobody.status_code, nobody.json()["field"]) == (422, "names")


async def test_traffic_shows_each_gate(gateway: httpx2.AsyncClient) -> None:
    rows = (await gateway.get("/v1/traffic")).json()["data"]
    assert rows[-1] == {"provider": "good", "in_flight": 0, "waiting": 0, "failures": 0}
