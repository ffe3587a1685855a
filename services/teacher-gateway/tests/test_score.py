"""The scoring door against servers that speak vLLM's and SGLang's forms."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import StartGateway, StartTeacher
from .scripted import DROP, compatible, http_answer

TOKENS = [5, 7, 7, 9]


def vllm_answer(rows: list[Any]) -> bytes:
    """As `prompt_logprobs: 0` of vLLM's /v1/completions."""
    choice = {"index": 0, "text": " x", "finish_reason": "length", "logprobs": None, "prompt_logprobs": rows}
    return http_answer(200, {"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [choice]})


def vllm_row(token: int, logprob: float) -> dict[str, Any]:
    return {str(token): {"logprob": logprob, "rank": 3, "decoded_token": "x"}}


def sglang_answer(triples: list[Any]) -> bytes:
    """As `logprob_start_len: 0` of SGLang's /generate."""
    meta = {"id": "1", "prompt_tokens": 4, "input_token_logprobs": triples, "output_token_logprobs": [[-1.0, 2, None]]}
    return http_answer(200, {"text": "x", "output_ids": [2], "meta_info": meta})


VLLM = vllm_answer([None, vllm_row(7, -0.5), vllm_row(7, -1.25), vllm_row(9, -2.0)])
SGLANG = sglang_answer([[None, 5, None], [-0.5, 7, None], [-1.25, 7, None], [-2.0, 9, None]])


def asked(base_url: str, engine: str, **changes: Any) -> dict[str, Any]:
    return {"teacher": compatible(base_url), "engine": engine, "token_ids": TOKENS, "start": 2, **changes}


@pytest.mark.parametrize(("engine", "script"), [("vllm", VLLM), ("sglang", SGLANG)])
async def test_tokens_are_scored(
    start_gateway: StartGateway, start_teacher: StartTeacher, engine: str, script: bytes
) -> None:
    teacher = await start_teacher(script)
    gateway = await start_gateway(api_keys={teacher.base_url: "sk-key"})
    answer = await gateway.post("/v1/score", json=asked(teacher.base_url, engine))
    assert answer.json() == {"object": "score", "start": 2, "logprobs": [-1.25, -2.0]}
    (seen,) = teacher.seen
    assert seen.headers["authorization"] == "Bearer sk-key"
    if engine == "vllm":
        assert (seen.path, seen.body["prompt"], seen.body["prompt_logprobs"]) == ("/v1/completions", TOKENS, 0)
    else:
        assert (seen.path, seen.body["input_ids"], seen.body["logprob_start_len"]) == ("/generate", TOKENS, 0)
        assert seen.body["sampling_params"]["temperature"] == 1.0


async def test_the_engine_of_the_settings_is_the_teacher_local(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(SGLANG)
    gateway = await start_gateway(local_teacher_url=teacher.base_url.removesuffix("/v1"))
    answer = await gateway.post("/v1/score", json=asked("", "sglang", teacher={"name": "local"}))
    assert answer.json()["logprobs"] == [-1.25, -2.0]


async def test_a_file_that_has_the_teacher_local_already_is_refused(
    tmp_path: Path, start_gateway: StartGateway
) -> None:
    file = tmp_path / "teachers.yaml"
    mine = {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}
    file.write_text(yaml.safe_dump({"providers": {"local": mine}}))
    with pytest.raises(ValueError, match="local already: leave TEACHER_GATEWAY_LOCAL_TEACHER_URL out"):
        await start_gateway(teachers_file=file, local_teacher_url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("engine", "script"),
    [
        ("vllm", vllm_answer([None, vllm_row(7, -0.5)])),
        ("vllm", vllm_answer([None, vllm_row(8, -0.5), vllm_row(7, -1.25), vllm_row(9, -2.0)])),
        ("vllm", vllm_answer([None, vllm_row(7, -0.5), None, vllm_row(9, -2.0)])),
        ("vllm", vllm_answer([None, vllm_row(7, -0.5), vllm_row(7, 0.4), vllm_row(9, -2.0)])),
        ("vllm", http_answer(200, {"model": "m", "choices": [{"text": "an old server"}]})),
        ("sglang", sglang_answer([[None, 5, None], [-0.5, 8, None], [-1.25, 7, None], [-2.0, 9, None]])),
        ("sglang", http_answer(200, b"<html>")),
    ],
    ids=["short", "other-token", "hole", "positive", "no-scores", "other-tokens", "garbage"],
)
async def test_an_answer_that_scores_something_else_is_refused(
    start_gateway: StartGateway, start_teacher: StartTeacher, engine: str, script: bytes
) -> None:
    teacher = await start_teacher(script)
    answer = await (await start_gateway()).post("/v1/score", json=asked(teacher.base_url, engine))
    assert (answer.status_code, answer.json()["code"]) == (502, "teacher_answer_invalid")


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (http_answer(404, {"detail": "Not Found"}), 501, "scoring_not_possible"),
        (http_answer(400, {"detail": "too long"}), 502, "teacher_refused"),
        (http_answer(503, b""), 502, "teacher_failed"),
        (DROP, 502, "teacher_unreachable"),
    ],
)
async def test_a_server_that_does_not_answer_is_named(
    start_gateway: StartGateway, start_teacher: StartTeacher, script: bytes, status: int, code: str
) -> None:
    teacher = await start_teacher(script)
    answer = await (await start_gateway()).post("/v1/score", json=asked(teacher.base_url, "vllm"))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "teacher", [{"provider": "retry"}, {"provider": "tutor"}, compatible("https://api.openai.com/v1")]
)
async def test_a_teacher_that_cannot_score_gets_501_with_the_reason(
    start_gateway: StartGateway, teacher: dict[str, Any]
) -> None:
    answer = await (await start_gateway()).post("/v1/score", json=asked("http://x/v1", "vllm", teacher=teacher))
    assert (answer.status_code, answer.json()["code"]) == (501, "scoring_not_possible")
    assert "vLLM or SGLang" in answer.json()["detail"]


async def test_a_named_teacher_is_found_in_the_file(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(VLLM)
    providers = {
        "own": {"kind": "openai_compatible", "base_url": teacher.base_url, "api_key_env": "OWN_KEY"},
        "bought": {"kind": "openai", "api_key_env": "NO_SUCH_KEY"},
    }
    teachers = {name: {"provider": name, "model": "m"} for name in providers}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({"providers": providers, "teachers": teachers}))
    gateway = await start_gateway({"OWN_KEY": "sk-own"}, teachers_file=tmp_path / "t.yaml")
    for name, status in (("own", 200), ("bought", 501)):
        body = asked("", "vllm", teacher={"provider": "named", "name": name})
        assert (await gateway.post("/v1/score", json=body)).status_code == status
    assert teacher.seen[0].headers["authorization"] == "Bearer sk-own"


@pytest.mark.parametrize("changes", [{"start": 4}, {"start": 0}, {"token_ids": [1]}, {"engine": "tgi"}, {"x": 1}])
async def test_bad_input_is_refused(start_gateway: StartGateway, changes: dict[str, Any]) -> None:
    answer = await (await start_gateway()).post("/v1/score", json={**asked("http://127.0.0.1:1/v1", "vllm"), **changes})
    assert answer.status_code == 422
