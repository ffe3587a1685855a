"""Half a surrogate pair is no text: it is refused at the door, for neither Redis nor a teacher can be sent it."""

import json
from typing import Any

import pytest

from .conftest import StartGateway, StartTeacher
from .scripted import chat_completion, compatible, guidance_request, http_answer

LONE, PAIR = "a \ud800 b", "a \ud83d\ude00 b"  # written as escapes by json.dumps
ADDRESS = "http://127.0.0.1:1/v1"
PARTS = {
    "job_id": {"job_id": LONE},
    "episode_id": {"episode_id": LONE},
    "question": {"question": LONE},
    "dialogue.0.content": {"dialogue": [{"role": "user", "content": LONE}]},
    "latest_answer": {"latest_answer": LONE},
    "reference_solution": {"reference_solution": LONE},
    "options.A": {"options": {"A": LONE}},
    "teacher.model": {"teacher": compatible(ADDRESS, model=LONE)},
    "teacher.prompt": {"teacher": compatible(ADDRESS, prompt=f"$latest_answer {LONE}")},
}


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
@pytest.mark.parametrize(("field", "part"), PARTS.items(), ids=PARTS)
async def test_a_lone_surrogate_is_refused_by_name(
    start_gateway: StartGateway, field: str, part: dict[str, Any], kind: str
) -> None:
    gateway = await start_gateway()
    body = json.dumps(guidance_request({"provider": "retry"}) | part)
    answer = await gateway.post("/v1/guidance", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_whole_pair_reaches_the_teacher(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(http_answer(200, chat_completion("Look again.")))
    gateway = await start_gateway()
    body = json.dumps(guidance_request(compatible(teacher.base_url), question=PAIR))
    answer = await gateway.post("/v1/guidance", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert "a 😀 b" in teacher.seen[0].body["messages"][0]["content"]


@pytest.mark.parametrize("field", ["model", "user"])
async def test_nor_does_the_openai_door_take_one(start_gateway: StartGateway, field: str) -> None:
    gateway = await start_gateway()
    body = {"model": "retry", "messages": [{"role": "user", "content": "Hello"}], field: LONE}
    answer = await gateway.post(
        "/v1/chat/completions", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
