"""Named teachers and their ladders."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts.guidance import RETRY_TEXT, GuidanceRequest
from teacher_gateway.rungs import asked_of
from teacher_gateway.teachers_file import load_teachers

from .conftest import StartGateway, StartTeacher
from .scripted import STALL, ScriptedTeacher, chat_completion, chat_error, guidance_request, http_answer

OK = http_answer(200, chat_completion("Check the carry."))
REFUSED = http_answer(401, chat_error("Incorrect API key provided"))
EXAMPLE = Path(__file__).parents[3] / "deploy" / "teachers.yaml"


def ladder(tmp_path: Path, top: ScriptedTeacher, below: ScriptedTeacher, **top_teacher: Any) -> Path:
    """frontier -> local -> retry."""
    servers = {"far": top, "near": below}
    providers = {name: {"kind": "openai_compatible", "base_url": at.base_url} for name, at in servers.items()}
    teachers = {
        "frontier": {"provider": "far", "model": "big", "ladder": ["local", "retry"], **top_teacher},
        "local": {"provider": "near", "model": "small"},
    }
    path = tmp_path / "teachers.yaml"
    path.write_text(yaml.safe_dump({"providers": providers, "teachers": teachers}))
    return path


@pytest.mark.parametrize(
    ("top", "below", "rung", "provider"),
    [
        (OK, OK, "frontier", "far"),
        (REFUSED, OK, "local", "near"),
        (STALL, OK, "local", "near"),
        (REFUSED, REFUSED, "retry", "retry"),
    ],
    ids=["top", "refused", "stalled", "all-down"],
)
async def test_the_highest_rung_that_can_gives_the_guidance(
    start_gateway: StartGateway,
    start_teacher: StartTeacher,
    tmp_path: Path,
    top: bytes,
    below: bytes,
    rung: str,
    provider: str,
) -> None:
    servers = await start_teacher(top), await start_teacher(below)
    gateway = await start_gateway(teachers_file=ladder(tmp_path, *servers, timeout_seconds=0.5))
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "frontier", "timeout_seconds": 20}))
    given = answer.json()
    assert (answer.status_code, given["rung"], given["provider"]) == (200, rung, provider)
    assert given["text"] == (RETRY_TEXT if rung == "retry" else "Check the carry.")
    asked = [seen.body["model"] for server in servers for seen in server.seen]
    assert asked == {"frontier": ["big"], "local": ["big", "small"], "retry": ["big", "small"]}[rung]


async def test_a_fault_of_the_request_leads_nowhere(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    servers = await start_teacher(OK), await start_teacher(OK)
    gateway = await start_gateway(teachers_file=ladder(tmp_path, *servers))
    # Without Redis no cap can be kept, by this rung or any other.
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "frontier", "budget": {"usd": 1}}))
    assert (answer.status_code, answer.json()["code"]) == (422, "budget_unavailable")
    assert [server.seen for server in servers] == [[], []]


async def test_without_a_time_out_of_its_own_a_rung_has_its_share(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    servers = await start_teacher(STALL), await start_teacher(OK)
    gateway = await start_gateway(teachers_file=ladder(tmp_path, *servers))
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "frontier", "timeout_seconds": 1.5}))
    assert answer.json()["rung"] == "local"
    assert 0.5 <= answer.json()["latency_seconds"] < 1.5


async def test_named_teachers_are_listed(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server = await start_teacher(OK)
    gateway = await start_gateway(teachers_file=ladder(tmp_path, server, server))
    listed = {row["name"]: row for row in (await gateway.get("/v1/teachers")).json()["data"] if row["name"]}
    assert listed["frontier"]["ladder"] == ["local", "retry"]
    assert listed["frontier"]["available"] is True
    assert listed["local"]["detail"] == f"small, openai_compatible at {server.base_url}"
    assert (listed["local"]["account"], listed["local"]["model"]) == ("near", "small")
    assert listed["local"]["limits"] == {"requests_per_minute": None, "tokens_per_minute": None, "max_in_flight": None}
    assert listed["local"]["spent"] is None


async def test_teachers_show_what_their_account_spent_and_may_spend(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    account = {"kind": "openai_compatible", "base_url": (await start_teacher(OK)).base_url, "budget": {"requests": 5}}
    account["limits"] = {"requests_per_minute": 60}
    file = {"providers": {"near": account}, "teachers": {"local": {"provider": "near", "model": "small"}}}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(file))
    gateway = await start_gateway(teachers_file=tmp_path / "t.yaml", redis_url=redis_url)
    await gateway.post("/v1/guidance", json=guidance_request({"name": "local"}))
    listed = {row["name"] or row["provider"]: row for row in (await gateway.get("/v1/teachers")).json()["data"]}
    assert listed["local"]["spent"]["requests"] == 1
    assert listed["local"]["budget"]["requests"] == 5
    assert listed["local"]["limits"]["requests_per_minute"] == 60
    assert listed["retry"]["spent"]["requests"] == 0


async def test_the_job_named_a_teacher_that_nobody_knows(start_gateway: StartGateway) -> None:
    answer = await (await start_gateway()).post("/v1/guidance", json=guidance_request({"name": "nobody"}))
    assert (answer.status_code, answer.json()["field"]) == (422, "teacher.name")
    assert "TEACHER_GATEWAY_TEACHERS_FILE" in answer.json()["detail"]


async def test_a_missing_key_is_named_and_only_its_teacher_is_unavailable(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    file = {
        "providers": {"openai": {"kind": "openai", "api_key_env": "MY_KEY"}},
        "teachers": {"gpt": {"provider": "openai", "model": "gpt-5-mini", "ladder": ["retry"]}},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(file))
    gateway = await start_gateway({}, teachers_file=tmp_path / "t.yaml")
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "gpt"}))
    assert (answer.status_code, answer.json()["code"]) == (422, "teacher_unavailable")
    assert "Set MY_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ({"providers": {"a": {"kind": "openai", "api_key": "sk-1"}}}, "providers.a.api_key"),
        ({"providers": {"a": {"kind": "openai_compatible"}}}, "needs base_url"),
        ({"providers": {"retry": {"kind": "openai"}}}, "take another name"),
        ({"teachers": {"t": {"provider": "a", "model": "m"}}}, "not one of providers"),
        (
            {
                "providers": {"a": {"kind": "openai"}},
                "teachers": {"t": {"provider": "a", "model": "m", "ladder": ["x"]}},
            },
            "teachers.t.ladder: x",
        ),
        ("[", "no YAML"),
    ],
    ids=["key-in-file", "no-address", "reserved", "unknown-provider", "unknown-rung", "not-yaml"],
)
def test_a_bad_file_is_refused_with_the_field_and_without_its_values(tmp_path: Path, file: Any, named: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(file if isinstance(file, str) else yaml.safe_dump(file))
    with pytest.raises(ValueError, match=r"t\.yaml") as caught:
        load_teachers(path)
    assert named in str(caught.value)
    assert "sk-1" not in str(caught.value)


def test_a_kind_that_is_not_installed_names_those_that_are(tmp_path: Path) -> None:
    from teacher_gateway.providers.registry import check_kinds

    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump({"providers": {"a": {"kind": "oracle"}}}))
    with pytest.raises(ValueError, match=r"providers\.a\.kind: oracle is not installed; .*anthropic"):
        check_kinds(load_teachers(path))


def test_the_example_file_is_valid() -> None:
    from teacher_gateway.providers.registry import check_kinds

    file = load_teachers(EXAMPLE)
    check_kinds(file)
    assert {provider.kind for provider in file.providers.values()} >= {"openai", "anthropic", "gemini"}


def test_a_request_to_another_teacher_is_what_pydantic_would_copy() -> None:
    budget = {"usd": 1.0, "when_exhausted": "ladder"}
    request = GuidanceRequest.model_validate(guidance_request({"name": "dear", "budget": budget}, seed=3))
    changes = {"provider": "named", "name": "cheap", "model": "m"}
    expected = request.model_copy(update={"teacher": request.teacher.model_copy(update=changes)})
    found = asked_of(request, **changes)
    assert found == expected
    assert found.model_dump(exclude_unset=True) == expected.model_dump(exclude_unset=True)
    assert request.teacher.name == "dear"
