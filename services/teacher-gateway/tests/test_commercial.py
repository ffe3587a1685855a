"""OpenAI, Anthropic and Gemini, each against a scripted server that speaks its wire format."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from teacher_gateway.providers.commercial import MESSAGE_CHARACTERS

from .conftest import StartGateway, StartTeacher
from .scripted import STALL, ScriptedTeacher, guidance_request, http_answer
from .wire import GEMINI, TEXT, WIRES, Wire

KEY = "sk-secret-9f8e7d6c5b4a"
NAMED = {"name": "frontier", "timeout_seconds": 5}
Ask = Callable[..., Awaitable[httpx2.Response]]

every_wire = pytest.mark.parametrize("wire", WIRES, ids=[wire.kind for wire in WIRES])


@pytest.fixture
def ask(start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path) -> Ask:
    """Call with a wire, the script and changes of the teacher; returns the gateway's answer and the server."""

    async def ask(wire: Wire, *script: bytes, **teacher: Any) -> tuple[httpx2.Response, ScriptedTeacher]:
        server = await start_teacher(*script)
        provider = {"kind": wire.kind, "base_url": wire.base_url(server.base_url), "api_key_env": "TEACHER_KEY"}
        file = {
            "providers": {"account": provider},
            "teachers": {"frontier": {"provider": "account", "model": wire.model}},
        }
        (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(file))
        gateway = await start_gateway({"TEACHER_KEY": KEY}, teachers_file=tmp_path / "teachers.yaml")
        return await gateway.post("/v1/guidance", json=guidance_request({**NAMED, **teacher})), server

    return ask


@every_wire
async def test_guidance_with_model_tokens_and_rung(ask: Ask, wire: Wire) -> None:
    answer, server = await ask(wire, wire.success)
    given = answer.json()
    assert answer.status_code == 200
    named = ("text", "provider", "rung", "model", "prompt_tokens", "completion_tokens")
    assert [given[name] for name in named] == [TEXT, "account", "frontier", wire.served_model, 19, 10]
    (seen,) = server.seen
    assert seen.path.split("?")[0] == wire.path
    assert KEY in seen.headers[wire.key_header]
    assert "<question>\\nWhat is 2 + 3?\\n</question>" in str(seen.body)


@every_wire
async def test_sampling_settings_reach_the_provider(ask: Ask, wire: Wire) -> None:
    _, server = await ask(wire, wire.success, temperature=0.3, max_guidance_tokens=77)
    body = server.seen[0].body
    sent = body.get("generationConfig", body)
    assert 0.3 in sent.values()
    assert 77 in sent.values()


@every_wire
@pytest.mark.parametrize("event", ["rate_limited", "overloaded", "server_error", "empty", "dropped", "cut_short"])
async def test_a_passing_failure_is_tried_again_by_the_gateway_alone(ask: Ask, wire: Wire, event: str) -> None:
    answer, server = await ask(wire, getattr(wire, event), wire.success)
    assert (answer.status_code, answer.json()["text"]) == (200, TEXT)
    assert len(server.seen) == 2


@every_wire
@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("unauthorized", "teacher_refused"),
        ("unknown_model", "teacher_refused"),
        ("out_of_credit", "teacher_refused"),
        ("filtered", "teacher_content_filtered"),
        ("garbage", "teacher_answer_invalid"),
    ],
)
async def test_a_final_failure_is_asked_once(ask: Ask, wire: Wire, event: str, code: str) -> None:
    answer, server = await ask(wire, getattr(wire, event))
    assert (answer.status_code, answer.json()["code"]) == (502, code)
    assert len(server.seen) == 1


@every_wire
async def test_the_servers_wish_to_wait_reaches_the_caller(ask: Ask, wire: Wire) -> None:
    answer, server = await ask(wire, wire.rate_limited_for_long)
    assert (answer.status_code, answer.json()["code"]) == (503, "teacher_rate_limited")
    assert answer.headers["Retry-After"] == "60"
    assert len(server.seen) == 1


@every_wire
async def test_guidance_cut_at_its_limit_is_used(ask: Ask, wire: Wire) -> None:
    answer, _ = await ask(wire, wire.truncated)
    assert answer.json()["text"] == "Check the"


@every_wire
async def test_a_stall_ends_at_the_deadline(ask: Ask, wire: Wire) -> None:
    answer, _ = await ask(wire, STALL, timeout_seconds=0.3)
    assert (answer.status_code, answer.json()["code"]) == (504, "teacher_timeout")


@every_wire
async def test_a_quoted_key_is_taken_out(ask: Ask, wire: Wire) -> None:
    quoted = wire.unauthorized.split(b"\r\n\r\n")[1].replace(b"KEY", KEY.encode())
    answer, _ = await ask(wire, http_answer(401, quoted))
    assert "[key]" in answer.json()["detail"]
    assert KEY not in answer.text


async def test_a_prompt_that_gemini_blocks_is_a_refusal(ask: Ask) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 19}}
    answer, _ = await ask(GEMINI, http_answer(200, blocked))
    assert answer.json()["code"] == "teacher_content_filtered"


@every_wire
async def test_a_long_refusal_is_not_cut_through_a_quoted_key(ask: Ask, wire: Wire) -> None:
    # Wherever it is cut, there is a key; and half a key could not be found and taken out any more.
    quoted = wire.unauthorized.split(b"\r\n\r\n")[1].replace(b"KEY", (KEY * MESSAGE_CHARACTERS).encode())
    answer, _ = await ask(wire, http_answer(401, quoted))
    assert answer.json()["code"] == "teacher_refused"
    assert KEY[:3] not in answer.text
