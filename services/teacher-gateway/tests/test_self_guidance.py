"""The student as its own teacher: the policy of the moment, and a frozen one."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from teacher_gateway.providers.registry import check_kinds
from teacher_gateway.teachers_file import load_teachers

from .conftest import StartGateway, StartTeacher
from .scripted import ScriptedTeacher, chat_completion, guidance_request, http_answer


def engine(version: str) -> bytes:
    """As SGLang and the CPU engine answer: the weights that spoke are in `metadata`."""
    return http_answer(200, {**chat_completion("Look."), "model": "student", "metadata": {"weight_version": version}})


def teachers(path: Path, server: ScriptedTeacher, **options: Any) -> Path:
    provider = {"kind": "student", "base_url": server.base_url.removesuffix("/v1"), "options": options}
    named = {"self": {"provider": "student", "model": "student"}}
    path.write_text(yaml.safe_dump({"providers": {"student": provider}, "teachers": named}))
    return path


def asked(policy_version: int, **teacher: Any) -> dict[str, Any]:
    return guidance_request({"name": "self", "timeout_seconds": 5, **teacher}, policy_version=policy_version)


async def test_the_policy_of_the_moment_teaches_and_is_named(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server = await start_teacher(engine("job-1:0"), engine("job-1:1"))
    gateway = await start_gateway(teachers_file=teachers(tmp_path / "t.yaml", server))
    models = [(await gateway.post("/v1/guidance", json=asked(version))).json()["model"] for version in (0, 1)]
    assert models == ["student@job-1:0", "student@job-1:1"]


async def test_the_key_of_the_engine_goes_to_it(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server = await start_teacher(engine("job-1:0"))
    file = teachers(tmp_path / "t.yaml", server)
    described = yaml.safe_load(file.read_text())
    described["providers"]["student"]["api_key_env"] = "STUDENT_KEY"
    file.write_text(yaml.safe_dump(described))
    gateway = await start_gateway(teachers_file=file, environment={"STUDENT_KEY": "normal-key"})
    assert (await gateway.post("/v1/guidance", json=asked(0))).status_code == 200
    assert server.seen[0].headers["authorization"] == "Bearer normal-key"


async def test_a_frozen_policy_that_moves_is_refused(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    server = await start_teacher(engine("default"), engine("job-1:1"), http_answer(200, chat_completion("Look.")))
    gateway = await start_gateway(teachers_file=teachers(tmp_path / "t.yaml", server, frozen_at="default"))
    answers = [await gateway.post("/v1/guidance", json=asked(version)) for version in range(3)]
    assert answers[0].json()["model"] == "student@default"
    assert [answer.json()["code"] for answer in answers[1:]] == ["teacher_policy_moved"] * 2


@pytest.mark.parametrize(("options", "calls"), [({}, 2), ({"frozen_at": "default"}, 1)], ids=["current", "frozen"])
async def test_a_cassette_tells_policies_apart_where_they_teach(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, options: dict[str, Any], calls: int
) -> None:
    server = await start_teacher(engine("default"))
    gateway = await start_gateway(
        teachers_file=teachers(tmp_path / "t.yaml", server, **options), cassette_root=tmp_path / "cassettes"
    )
    for version in (0, 1, 0, 1):
        body = asked(version, cassette={"mode": "replay_or_record"})
        assert (await gateway.post("/v1/guidance", json=body)).status_code == 200
    assert len(server.seen) == calls


def test_an_unknown_option_stops_the_start(tmp_path: Path) -> None:
    file = {"providers": {"s": {"kind": "student", "base_url": "http://127.0.0.1:1", "options": {"frozen": "x"}}}}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(file))
    with pytest.raises(ValueError, match=r"providers\.s\.options\.frozen: Extra inputs"):
        check_kinds(load_teachers(tmp_path / "t.yaml"))
