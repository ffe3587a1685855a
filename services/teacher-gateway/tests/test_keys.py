"""A key goes to its own base URL and nowhere else."""

from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr, ValidationError
from teacher_gateway.keys import KeyRing
from teacher_gateway.settings import GatewaySettings

from .conftest import StartGateway, StartTeacher
from .scripted import chat_completion, chat_error, compatible, guidance_request, http_answer

KEY = "sk-proj-9f8e7d6c5b4a"
OK = http_answer(200, chat_completion("Check the carry."))


async def test_only_the_base_url_of_a_key_sees_it(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    own, foreign = await start_teacher(OK), await start_teacher(OK)
    gateway = await start_gateway(api_keys={own.base_url: KEY})
    for base_url in (own.base_url, own.base_url + "/", foreign.base_url, own.base_url + "/other"):
        answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(base_url)))
        assert answer.status_code == 200
    assert [seen.headers.get("authorization") for seen in own.seen] == [f"Bearer {KEY}"] * 2 + [None]
    assert [seen.headers.get("authorization") for seen in foreign.seen] == [None]


async def test_a_redirect_carries_no_key_away(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    foreign = await start_teacher(OK)
    own = await start_teacher(http_answer(307, b"", {"location": foreign.base_url + "/chat/completions"}))
    gateway = await start_gateway(api_keys={own.base_url: KEY})
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(own.base_url)))
    assert answer.json()["code"] == "teacher_refused"
    assert foreign.seen == []


async def test_a_quoted_key_is_taken_out_of_the_error(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(http_answer(401, chat_error(f"Incorrect API key provided: {KEY}.")))
    gateway = await start_gateway(api_keys={teacher.base_url: KEY})
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert answer.json()["detail"] == "The teacher answered 401: Incorrect API key provided: [key]."


async def test_guidance_that_quotes_a_key_reaches_the_student_without_it(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    quoting = http_answer(200, {**chat_completion(f"Use {KEY} and look again."), "model": KEY})
    teacher = await start_teacher(quoting)
    gateway = await start_gateway(api_keys={teacher.base_url: KEY})
    given = (await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))).json()
    assert (given["text"], given["model"]) == ("Use [key] and look again.", "[key]")


@pytest.mark.parametrize(
    "same", ["https://api.example.com/v1/", "https://API.example.com/v1", "https://api.example.com:443/x/../v1"]
)
def test_spellings_of_one_address_share_its_key(same: str) -> None:
    ring = KeyRing({"https://api.example.com/v1": SecretStr(KEY)})
    assert ring.of(same) == SecretStr(KEY)


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example.com/v1",
        "https://api.example.com:444/v1",
        "https://api.example.com/v2",
        "https://api.example.com.evil.net/v1",
        "https://api.example.com/v1/../v2",
        "https://evil.net/https://api.example.com/v1",
    ],
)
def test_no_other_address_gets_a_key(other: str) -> None:
    assert KeyRing({"https://api.example.com/v1": SecretStr(KEY)}).of(other) is None


@pytest.mark.parametrize(
    "api_keys", [{"api.example.com": KEY}, {"https://api.example.com/v1": KEY + "\n"}, {"https://a.com/v1?k=1": KEY}]
)
def test_keys_that_could_not_be_sent_are_refused_without_showing_them(api_keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        GatewaySettings(api_keys=api_keys)
    assert KEY not in str(caught.value)


async def test_a_key_of_another_account_is_taken_out_too(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(http_answer(401, chat_error(f"This project also has {KEY}.")))
    account = {"kind": "openai_compatible", "base_url": teacher.base_url}
    other = {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1", "api_key_env": "OTHER_KEY"}
    teachers = {"local": {"provider": "account", "model": "m"}}
    file = tmp_path / "teachers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"account": account, "other": other}, "teachers": teachers}))
    gateway = await start_gateway({"OTHER_KEY": KEY}, teachers_file=file)
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "local"}))
    assert answer.json()["detail"] == "The teacher answered 401: This project also has [key]."
