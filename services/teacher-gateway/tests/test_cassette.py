"""Cassettes: replay without a provider, nothing paid twice, no key inside, safe under several gateways."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contracts.guidance import GuidanceRequest, GuidanceResponse
from hypothesis import given
from hypothesis import strategies as st
from teacher_gateway.cassette.entry import Entry, key_of, question_of
from teacher_gateway.cassette.files import CassetteFiles
from teacher_gateway.seams import Asked

from .conftest import StartGateway, StartTeacher
from .scripted import chat_completion, chat_error, compatible, guidance_request, http_answer

KEY = "sk-proj-9f8e7d6c5b4a"
OK = http_answer(200, chat_completion("Check the carry."))


def asked(prompt: str = "p", version: str = "v", **changes: Any) -> Asked:
    teacher = {key: changes.pop(key) for key in list(changes) if key in ("temperature", "model", "budget", "cassette")}
    body = guidance_request(compatible("http://h/v1", **teacher), **changes)
    return Asked(GuidanceRequest.model_validate(body), prompt, version)


def key(one: Asked) -> str:
    return key_of(question_of(one))


@pytest.mark.parametrize(
    "other",
    [asked(prompt="q"), asked(version="w"), asked(seed=12), asked(temperature=0.3), asked(model="m2")],
    ids=["prompt", "version", "sample", "temperature", "model"],
)
def test_what_decides_the_answer_decides_the_key(other: Asked) -> None:
    assert key(other) != key(asked())


@pytest.mark.parametrize(
    "same",
    [asked(job_id="job-2"), asked(episode_id="e"), asked(budget={"usd": 1}), asked(cassette={"mode": "record"})],
    ids=["job", "episode", "budget", "cassette"],
)
def test_nothing_else_does(same: Asked) -> None:
    assert key(same) == key(asked())


def test_the_tutors_manner_decides_the_key_and_its_price_does_not() -> None:
    def tutored(**options: Any) -> str:
        body = guidance_request({"provider": "tutor", "tutor": options})
        return key(Asked(GuidanceRequest.model_validate(body), "p", "v"))

    assert tutored(style="vague") == tutored(style="vague", usd_per_call=1)
    assert len({tutored(), tutored(style="vague"), tutored(wrong_share=0.2)}) == 3


def test_a_key_is_the_hash_of_canonical_json() -> None:
    """The expected value is that of `printf '{"a":"ü","b":1}' | sha256sum`."""
    assert key_of({"b": 1, "a": "ü"}) == "4e7ff4080b1a00acdaf71eb0cdf2d504aa8068bbb375c002eac2df3f064047a7"


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def with_cassette(base_url: str, mode: str, **changes: Any) -> dict[str, Any]:
    return guidance_request(compatible(base_url, cassette={"mode": mode, "name": "night"}), **changes)


async def ask(gateway: httpx2.AsyncClient, body: dict[str, Any]) -> httpx2.Response:
    return await gateway.post("/v1/guidance", json=body)


async def test_a_replay_asks_nobody_and_spends_nothing(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(cassette_root=tmp_path, redis_url=redis_url)
    first = (await gateway.post("/v1/guidance", json=with_cassette(teacher.base_url, "record"))).json()
    elsewhere = await start_gateway(cassette_root=tmp_path, redis_url=redis_url)
    body = with_cassette(teacher.base_url, "replay", job_id="job-2", episode_id="job-2/train/9/q-7/0")
    second = (await elsewhere.post("/v1/guidance", json=body)).json()
    assert (second["text"], second["replayed"], second["price_usd"]) == (first["text"], True, 0.0)
    assert first["replayed"] is False
    assert len(teacher.seen) == 1
    assert (await elsewhere.get("/v1/budgets/job-2")).json()["held"]["requests"] == 0


async def test_a_resumed_job_pays_for_each_guidance_once(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(OK)
    for seeds in (range(3), range(5)):  # the second gateway begins again from the first guidance
        gateway = await start_gateway(cassette_root=tmp_path)
        for seed in seeds:
            body = with_cassette(teacher.base_url, "replay_or_record", seed=seed)
            assert (await gateway.post("/v1/guidance", json=body)).status_code == 200
    assert len(teacher.seen) == 5


async def test_an_export_can_be_imported_elsewhere(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(OK)
    one = await start_gateway(cassette_root=tmp_path / "one")
    for seed in range(3):
        await ask(one, with_cassette(teacher.base_url, "record", seed=seed))
    exported = (await one.get("/v1/cassettes/night")).content
    other = await start_gateway(cassette_root=tmp_path / "other")
    assert (await other.post("/v1/cassettes/night", content=exported)).json() == {"added": 3, "known": 0}
    assert (await other.post("/v1/cassettes/night", content=exported)).json() == {"added": 0, "known": 3}
    assert (await other.get("/v1/cassettes/night")).content == exported
    replayed = (await ask(other, with_cassette(teacher.base_url, "replay", seed=1))).json()
    assert (replayed["replayed"], replayed["text"]) == (True, "Check the carry.")
    assert len(teacher.seen) == 3


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"Check the carry", b"\xff", "line"),
        (b'"sample":2', b'"sample":7', "key"),
        (b'"version":1', b'"version":9', "v"),
    ],
)
async def test_a_bad_line_is_named_and_nothing_is_imported(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, old: bytes, new: bytes, named: str
) -> None:
    teacher = await start_teacher(OK)
    one = await start_gateway(cassette_root=tmp_path / "one")
    for seed in (1, 2):
        await ask(one, with_cassette(teacher.base_url, "record", seed=seed))
    first, second = sorted(
        (await one.get("/v1/cassettes/night")).content.splitlines(), key=lambda line: b'"sample":2' in line
    )
    other = await start_gateway(cassette_root=tmp_path / "other")
    answer = await other.post("/v1/cassettes/night", content=b"\n".join([first, second.replace(old, new)]))
    assert (answer.status_code, answer.json()["field"]) == (422, "lines.2")
    assert named in answer.json()["detail"]
    assert files_below(tmp_path / "other") == []


async def test_a_replay_of_what_was_never_recorded_is_refused(start_gateway: StartGateway, tmp_path: Path) -> None:
    gateway = await start_gateway(cassette_root=tmp_path)
    answer = await gateway.post("/v1/guidance", json=with_cassette("http://127.0.0.1:1/v1", "replay"))
    assert (answer.status_code, answer.json()["code"]) == (409, "cassette_miss")


async def test_without_a_root_there_is_no_cassette(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=with_cassette("http://127.0.0.1:1/v1", "replay_or_record"))
    assert (answer.status_code, answer.json()["code"]) == (422, "cassette_unavailable")
    assert (await gateway.get("/v1/cassettes/night")).status_code == 409


async def test_a_stand_in_is_part_of_a_replay_but_never_kept_instead_of_a_teacher(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(cassette_root=tmp_path, redis_url=redis_url)
    poor = {"requests": 0, "when_exhausted": "without_guidance"}
    spec = {"cassette": {"mode": "replay_or_record"}}
    body = guidance_request(compatible(teacher.base_url, budget=poor, **spec))
    assert (await gateway.post("/v1/guidance", json=body)).json()["provider"] == "retry"
    replay = guidance_request(compatible(teacher.base_url, cassette={"mode": "replay"}))
    assert (await gateway.post("/v1/guidance", json=replay)).json()["provider"] == "retry"
    rich = guidance_request(compatible(teacher.base_url, **spec))
    assert (await gateway.post("/v1/guidance", json=rich)).json()["text"] == "Check the carry."


async def test_an_export_is_json_lines_without_any_key(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(http_answer(200, chat_completion(f"Use {KEY} and look again.")))
    gateway = await start_gateway(cassette_root=tmp_path, api_keys={teacher.base_url: KEY})
    for seed in range(3):
        await gateway.post("/v1/guidance", json=with_cassette(teacher.base_url, "record", seed=seed))
    quoting = with_cassette(teacher.base_url, "record", seed=3, question=f"What opens {KEY}?")
    assert (await gateway.post("/v1/guidance", json=quoting)).status_code == 200
    assert teacher.seen[0].headers["authorization"] == f"Bearer {KEY}"
    exported = (await gateway.get("/v1/cassettes/night")).text
    lines = [json.loads(line) for line in exported.splitlines()]
    assert sorted(line["asked"]["sample"] for line in lines) == [0, 1, 2, 3]
    assert all(line["key"] == key_of(line["asked"]) for line in lines if line["asked"]["sample"] < 3)
    written = exported + "".join(path.read_text() for path in files_below(tmp_path))
    assert "[key]" in written
    assert KEY not in written
    assert (await gateway.get("/v1/cassettes/other")).text == ""


async def test_a_failure_is_not_recorded(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(http_answer(401, chat_error("no")), OK)
    gateway = await start_gateway(cassette_root=tmp_path)
    body = with_cassette(teacher.base_url, "replay_or_record")
    assert (await gateway.post("/v1/guidance", json=body)).status_code == 502
    assert (await gateway.post("/v1/guidance", json=body)).status_code == 200


@pytest.mark.parametrize("name", ["../up", "A", "", "a/b", ".hidden", "x" * 65])
async def test_a_cassette_name_is_never_a_path(start_gateway: StartGateway, tmp_path: Path, name: str) -> None:
    gateway = await start_gateway(cassette_root=tmp_path)
    spec = compatible("http://127.0.0.1:1/v1", cassette={"mode": "record", "name": name})
    assert (await gateway.post("/v1/guidance", json=guidance_request(spec))).status_code == 422


async def test_a_damaged_entry_is_named(
    start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    teacher = await start_teacher(OK)
    gateway = await start_gateway(cassette_root=tmp_path)
    await gateway.post("/v1/guidance", json=with_cassette(teacher.base_url, "record"))
    (path,) = files_below(tmp_path)
    path.write_text("{")
    answer = await gateway.post("/v1/guidance", json=with_cassette(teacher.base_url, "replay"))
    assert (answer.status_code, answer.json()["code"]) == (500, "cassette_damaged")
    assert path.name in answer.json()["detail"]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_many_writers_of_one_key_leave_one_whole_entry(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    files = CassetteFiles(tmp_path_factory.mktemp("cassette"))

    async def write_all() -> Entry | None:
        entries = [
            Entry(
                key="ab12",
                asked={"messages": text},
                given=GuidanceResponse(text=text, provider="p", model="m", prompt_version="v", latency_seconds=0.1),
            )
            for text in texts
        ]
        await asyncio.gather(*(files.keep("c", entry) for entry in entries))
        found = await files.find("c", "ab12")
        assert found in entries
        return found

    assert asyncio.run(write_all()) is not None
    assert len(list(files.lines("c"))) == 1
