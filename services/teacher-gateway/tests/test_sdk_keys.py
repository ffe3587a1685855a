"""The SDKs of OpenAI, Anthropic and Gemini hold the keys of their accounts: nothing that they say or log shows one."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import yaml

from .conftest import StartProcess, StartTeacher
from .processes import free_port, until_ready
from .scripted import STALL, ScriptedTeacher, guidance_request, http_answer
from .wire import WIRES, Wire

KEY = "sk-secret-9f8e7d6c5b4a"
# Each call of a job, by what its teacher answers; after a passing failure the next one answers the second try.
CALLS = [["unauthorized"], ["rate_limited_for_long"], ["garbage"], ["server_error", "success"], ["dropped", "empty"]]


def quoting(answer: bytes) -> bytes:
    """The same answer, with the key in whatever it says."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not body:
        return answer
    headers = dict(line.split(": ") for line in head.decode().split("\r\n")[1:])
    said = (
        body.replace(b"hello", KEY.encode()) if body.startswith(b"<") else json.dumps(quoted(json.loads(body))).encode()
    )
    kept = {name: value for name, value in headers.items() if name == "retry-after"}
    return http_answer(int(head.split()[1]), said, {**kept, "x-asked-with": KEY})


def quoted(said: Any) -> Any:
    if isinstance(said, list):
        return [quoted(part) for part in said]
    if not isinstance(said, dict):
        return said
    words = {"message", "text", "content"}
    return {name: f"for {KEY}" if name in words and isinstance(it, str) else quoted(it) for name, it in said.items()}


def script(wire: Wire) -> list[bytes]:
    return [quoting(getattr(wire, event)) for call in CALLS for event in call] + [quoting(wire.success), STALL]


def teachers_file(path: Path, servers: dict[str, ScriptedTeacher]) -> str:
    accounts, teachers = {}, {}
    for wire in WIRES:
        base_url = wire.base_url(servers[wire.kind].base_url)
        accounts[wire.kind] = {"kind": wire.kind, "base_url": base_url, "api_key_env": "TEACHER_GATEWAY_SDK_KEY"}
        teachers[f"{wire.kind}-teacher"] = {"provider": wire.kind, "model": wire.model}
    path.write_text(yaml.safe_dump({"providers": accounts, "teachers": teachers}))
    return str(path)


async def test_no_key_that_an_sdk_holds_is_ever_written(
    start_process: StartProcess, start_teacher: StartTeacher, tmp_path: Path
) -> None:
    servers = {wire.kind: await start_teacher(*script(wire)) for wire in WIRES}
    port = free_port()
    file = teachers_file(tmp_path / "teachers.yaml", servers)
    root = tmp_path / "cassettes"
    start_process(port, teachers_file=file, sdk_key=KEY, log_level="debug", cassette_root=str(root))
    url = f"http://127.0.0.1:{port}"
    await until_ready(url)

    async def ask_all(client: httpx2.AsyncClient, wire: Wire) -> str:
        told = []
        for seed in range(len(CALLS) + 1):
            cassette = {"mode": "record", "name": wire.kind}
            spec = {"name": f"{wire.kind}-teacher", "timeout_seconds": 2, "cassette": cassette}
            told.append((await client.post("/v1/guidance", json=guidance_request(spec, seed=seed))).text)
        return "".join(told)

    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        written = "".join(await asyncio.gather(*(ask_all(client, wire) for wire in WIRES)))
        for path in ("/v1/teachers", "/metrics", *(f"/v1/cassettes/{wire.kind}" for wire in WIRES)):
            written += (await client.get(path)).text
    log = (tmp_path / "gateway-0.log").read_text()
    assert all(KEY in str(server.seen[0].headers) for server in servers.values())
    assert all(f"HTTP Request: POST {server.base_url.removesuffix('/v1')}" in log for server in servers.values())
    assert written.count("for [key]") >= 3 * len(WIRES)  # refused, limited, given
    assert KEY not in written + log
    assert "2 + 3" not in log
