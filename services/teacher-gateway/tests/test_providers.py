"""Providers against a scripted server that speaks the OpenAI chat API on a real socket."""

import asyncio

import httpx2
import pytest
from contracts.guidance import RETRY_TEXT

from .conftest import StartGateway, StartTeacher
from .scripted import DROP, STALL, chat_completion, chat_error, compatible, guidance_request, http_answer

OK = http_answer(200, chat_completion("Check the carry."))


async def test_guidance_comes_from_the_server_that_the_job_names(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway()
    spec = compatible(teacher.base_url, temperature=0.3, max_guidance_tokens=77)
    answer = await gateway.post("/v1/guidance", json=guidance_request(spec))
    assert answer.status_code == 200
    given = answer.json()
    assert given.pop("latency_seconds") > 0
    assert given == {
        "text": "Check the carry.",
        "provider": "openai_compatible",
        "rung": "openai_compatible",
        "model": "gpt-4.1-2025-04-14",
        "prompt_version": "socratic-v1",
        "prompt_tokens": 19,
        "completion_tokens": 10,
        "price_usd": 0.0,
        "replayed": False,
        "leak": None,
    }
    (seen,) = teacher.seen
    assert seen.path == "/v1/chat/completions"
    message = seen.body.pop("messages")
    assert seen.body == {"model": "gpt-4.1", "temperature": 0.3, "max_tokens": 77, "seed": 11}
    assert [turn["role"] for turn in message] == ["user"]
    assert "<question>\nWhat is 2 + 3?\n</question>" in message[0]["content"]


async def test_the_retry_text_needs_no_server(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request({"provider": "retry"}))
    assert answer.json()["text"] == RETRY_TEXT == "Your answer is incorrect. Please try again."
    assert (answer.json()["model"], answer.json()["prompt_version"]) == ("fixed-text", "none")


async def test_teachers_are_listed_with_what_is_missing(start_gateway: StartGateway) -> None:
    unset = (await (await start_gateway()).get("/v1/teachers")).json()
    assert unset["object"] == "list"
    available = {teacher["provider"]: teacher["available"] for teacher in unset["data"]}
    assert available == {"tutor": False, "openai_compatible": True, "retry": True}
    assert "TEACHER_GATEWAY_TUTOR_URL" in unset["data"][0]["detail"]
    with_tutor = (await (await start_gateway(tutor_url="http://127.0.0.1:8002")).get("/v1/teachers")).json()
    assert all(teacher["available"] for teacher in with_tutor["data"])


async def test_a_tutor_that_is_not_set_up_is_refused_at_once(start_gateway: StartGateway) -> None:
    answer = await (await start_gateway()).post("/v1/guidance", json=guidance_request({"provider": "tutor"}))
    assert (answer.status_code, answer.json()["code"]) == (422, "teacher_unavailable")
    assert answer.json()["field"] == "teacher.provider"
    assert "TEACHER_GATEWAY_TUTOR_URL" in answer.json()["detail"]


@pytest.mark.parametrize(
    "first",
    [
        http_answer(429, chat_error("Rate limit reached for gpt-4.1"), {"retry-after": "0"}),
        http_answer(500, chat_error("The server had an error while processing your request.")),
        http_answer(503, b"<html>upstream connect error</html>"),
        http_answer(529, chat_error("Overloaded")),
        http_answer(200, chat_completion("")),
        http_answer(200, chat_completion(None)),
        DROP,
        OK[:-10] + DROP,
    ],
    ids=["429", "500", "503", "529", "empty", "null", "dropped", "cut-short"],
)
async def test_a_passing_failure_is_tried_again(
    start_gateway: StartGateway, start_teacher: StartTeacher, first: bytes
) -> None:
    teacher = await start_teacher(first, OK)
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert (answer.status_code, answer.json()["text"]) == (200, "Check the carry.")
    assert len(teacher.seen) == 2


@pytest.mark.parametrize(
    ("script", "status", "code", "calls"),
    [
        ([http_answer(401, chat_error("Incorrect API key provided"))], 502, "teacher_refused", 1),
        ([http_answer(403, chat_error("Country not supported"))], 502, "teacher_refused", 1),
        ([http_answer(404, chat_error("The model `gpt-9` does not exist"))], 502, "teacher_refused", 1),
        ([http_answer(307, b"", {"location": "http://127.0.0.1:1/v1"})], 502, "teacher_refused", 1),
        ([http_answer(200, b"<html>hello</html>")], 502, "teacher_answer_invalid", 1),
        ([http_answer(200, {"choices": [{"text": "the old API"}]})], 502, "teacher_answer_invalid", 1),
        ([http_answer(200, chat_completion("x" * 10_000_000))], 502, "teacher_answer_invalid", 1),
        (
            [http_answer(200, {**chat_completion("x"), "usage": {"prompt_tokens": -1}})],
            502,
            "teacher_answer_invalid",
            1,
        ),
        ([http_answer(400, b"[" * 100_000)], 502, "teacher_refused", 1),
        ([http_answer(200, chat_completion("  \n"))], 502, "teacher_answer_empty", 2),
        ([http_answer(200, {"choices": []})], 502, "teacher_answer_empty", 2),
        ([http_answer(200, chat_completion(None, "content_filter"))], 502, "teacher_content_filtered", 1),
    ],
    ids=[
        "401",
        "403",
        "404",
        "redirect",
        "garbage",
        "other-shape",
        "10-MB",
        "negative",
        "nested",
        "blank",
        "no-choices",
        "filtered",
    ],
)
async def test_a_final_failure_is_a_problem_with_its_own_code(
    start_gateway: StartGateway, start_teacher: StartTeacher, script: list[bytes], status: int, code: str, calls: int
) -> None:
    teacher = await start_teacher(*script)
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(teacher.seen) == calls
    assert f'socratic_guidance_total{{outcome="{code}",provider="openai_compatible"}} 1.0' in await metrics_of(gateway)


async def test_the_teachers_own_words_reach_the_user(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(http_answer(404, chat_error("The model `gpt-9` does not exist", "model_not_found")))
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert answer.json()["detail"] == "The teacher answered 404: The model `gpt-9` does not exist"


async def test_a_long_error_page_is_cut(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(http_answer(400, b"x" * 100_000))
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert answer.json()["detail"] == "The teacher answered 400: " + "x" * 300


async def test_a_wait_beyond_the_deadline_is_not_begun(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(http_answer(429, chat_error("Rate limit reached"), {"retry-after": "60"}))
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert (answer.status_code, answer.json()["code"]) == (503, "teacher_rate_limited")
    assert answer.headers["Retry-After"] == "60"
    assert len(teacher.seen) == 1


async def test_a_stalled_teacher_ends_at_the_deadline(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(STALL)
    gateway = await start_gateway()
    spec = compatible(teacher.base_url, timeout_seconds=0.2)
    answer = await gateway.post("/v1/guidance", json=guidance_request(spec))
    assert (answer.status_code, answer.json()["code"]) == (504, "teacher_timeout")
    assert "teacher.timeout_seconds" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1:1", "a" * 70])
async def test_an_unreachable_teacher_is_named(
    start_gateway: StartGateway, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All tries, so that no random pause has one of them meet the deadline.
    monkeypatch.setattr("teacher_gateway.retries.FIRST_PAUSE_SECONDS", 0.01)
    gateway = await start_gateway()
    spec = compatible(f"http://{host}/v1", timeout_seconds=30)
    answer = await gateway.post("/v1/guidance", json=guidance_request(spec))
    assert (answer.status_code, answer.json()["code"]) == (502, "teacher_unreachable")
    assert host in answer.json()["detail"]


async def test_guidance_cut_at_its_limit_is_used_and_counted(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(http_answer(200, chat_completion("Check the", finish_reason="length")))
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert answer.json()["text"] == "Check the"
    metrics = await metrics_of(gateway)
    assert 'socratic_guidance_total{outcome="truncated",provider="openai_compatible"} 1.0' in metrics
    assert 'socratic_guidance_tokens_total{kind="prompt",provider="openai_compatible"} 19.0' in metrics
    assert 'socratic_guidance_tokens_total{kind="completion",provider="openai_compatible"} 10.0' in metrics


async def test_a_server_that_counts_no_tokens_is_fine(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    bare = {"choices": [{"message": {"role": "assistant", "content": "Look again."}}], "usage": None}
    teacher = await start_teacher(http_answer(200, bare))
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(teacher.base_url)))
    assert (answer.json()["model"], answer.json()["prompt_tokens"]) == ("gpt-4.1", 0)


async def test_many_guidances_in_flight_at_once(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway()
    body = guidance_request(compatible(teacher.base_url))
    answers = await asyncio.gather(*(gateway.post("/v1/guidance", json=body) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(teacher.seen) == 200


@pytest.mark.parametrize(
    ("base_url", "cause"),
    [("http://user:pass@host/v1", "TEACHER_GATEWAY_API_KEYS"), ("http://host/v1?key=1", "query"), ("http://", "host")],
)
async def test_a_base_url_that_cannot_be_asked_is_refused(
    start_gateway: StartGateway, base_url: str, cause: str
) -> None:
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request(compatible(base_url)))
    assert (answer.status_code, answer.json()["field"]) == (422, "teacher.base_url")
    assert cause in answer.json()["detail"]


async def metrics_of(gateway: httpx2.AsyncClient) -> str:
    return (await gateway.get("/metrics")).text
