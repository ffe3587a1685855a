"""API keys, scopes and bounds, over the real middleware; the command that makes keys; refusing to be exposed."""

import asyncio
import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CollectorRegistry
from servicekit.app import create_service
from servicekit.keys import KEY_PREFIX, add_key, digest, load_keys
from servicekit.settings import GuardedSettings, ServiceSettings, is_loopback, parse_settings
from starlette.testclient import TestClient

SERVICE_KEY = "a-key-of-all-services"


def sample_router() -> APIRouter:
    router = APIRouter()

    @router.api_route("/v1/things", methods=["GET", "POST", "PUT"], include_in_schema=False)
    async def things(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.put("/v1/one")
    async def one() -> int:
        return 1

    @router.get("/page/{name}")
    async def page(name: str) -> str:
        return name

    return router


def app_with(**settings: object) -> FastAPI:
    guard = GuardedSettings(**settings)
    return create_service("sample", [sample_router()], CollectorRegistry(), guard=guard, open_paths=["/page/"])


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_each_scope_opens_what_it_says_and_nothing_more(keys_file: Path) -> None:
    made = {scope: add_key(keys_file, scope, scope) for scope in ("read", "submit", "admin")}
    client = TestClient(app_with(keys_file=keys_file))
    allowed = {
        scope: [m for m in ("GET", "POST", "PUT") if client.request(m, "/v1/things", headers=bearer(key)).is_success]
        for scope, key in made.items()
    }
    assert allowed == {"read": ["GET"], "submit": ["GET", "POST"], "admin": ["GET", "POST", "PUT"]}
    refused = client.post("/v1/things", headers=bearer(made["read"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_too_small")
    assert "submit" in refused.json()["detail"]


def test_without_a_key_only_health_metrics_and_the_pages_are_open(keys_file: Path) -> None:
    key = add_key(keys_file, "me", "admin")
    client = TestClient(app_with(keys_file=keys_file))
    for path in ("/healthz", "/readyz", "/metrics", "/page/one"):
        assert client.get(path).status_code == 200, path
    for path in ("/v1/things", "/openapi.json", "/docs", "/nowhere", "/pages", "/metricsx", "/healthz/x"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "key_missing"), path
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["X-Request-ID"]
    for wrong in (bearer(key[:-1]), bearer(digest(key)), {"Authorization": f"Basic {key}"}, bearer("")):
        assert client.get("/v1/things", headers=wrong).json()["code"] == "key_unknown"


def test_the_document_asks_for_a_key_where_there_are_keys() -> None:
    for settings, security in (({}, [{"api_key": []}, {}]), ({"service_key": SERVICE_KEY}, [{"api_key": []}])):
        document = app_with(**settings).openapi()
        assert document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
        assert document["paths"]["/v1/one"]["put"]["security"] == security
        assert {"401", "403", "500", "503"} <= document["paths"]["/v1/one"]["put"]["responses"].keys()


def test_one_key_opens_all_services_to_each_other() -> None:
    settings = GuardedSettings(service_key=SERVICE_KEY)
    client = TestClient(app_with(service_key=SERVICE_KEY))
    assert client.get("/v1/things").status_code == 401
    assert client.put("/v1/things", headers=settings.bearer()).status_code == 200
    assert GuardedSettings().bearer() == {}


def test_without_keys_on_loopback_everything_is_open_but_not_to_other_sites() -> None:
    client = TestClient(app_with())
    assert client.post("/v1/things").status_code == 200
    answer = client.post("/v1/things", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert client.post("/v1/things", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_bodies_are_bounded_with_and_without_a_length() -> None:
    client = TestClient(app_with(max_body_bytes=1024))
    assert client.post("/v1/things", content=b"x" * 1024).json() == {"bytes": 1024}
    for content in (b"x" * 1025, iter([b"x" * 600] * 2)):
        answer = client.post("/v1/things", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    scope = {"type": "http", "method": "POST", "path": "/v1/things", "query_string": b"", "state": {}}
    statuses: list[int] = []

    async def read() -> dict[str, object]:
        raise AssertionError("a body of any length would be taken in")

    async def note(message: dict[str, object]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await app_with(max_body_bytes=1024)({**scope, "headers": [(b"content-length", b"1025")]}, read, note)
    assert statuses == [413]


async def test_requests_at_once_are_bounded() -> None:
    app, asked = app_with(max_requests=1), asyncio.Event()
    scope = {"type": "http", "method": "POST", "path": "/v1/things", "headers": [], "query_string": b""}

    async def never() -> dict[str, object]:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: object) -> None:
        pass

    first = asyncio.create_task(app({**scope, "state": {}}, never, send))
    await asked.wait()
    statuses: list[int] = []

    async def note(message: dict[str, object]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def nothing() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    await app({**scope, "state": {}}, nothing, note)
    first.cancel()
    await asyncio.wait([first])
    await app({**scope, "state": {}}, nothing, note)
    assert statuses == [503, 200]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_beyond_loopback_a_service_needs_a_key_to_start(host: str, keys_file: Path) -> None:
    assert not is_loopback(host)
    assert "KEYS_FILE" in (GuardedSettings(host=host).exposure_fault() or "")
    assert GuardedSettings(host=host, service_key=SERVICE_KEY).exposure_fault() is None
    assert "cannot be read" in (GuardedSettings(host=host, keys_file=keys_file).exposure_fault() or "")
    add_key(keys_file, "me", "read")
    assert GuardedSettings(host=host, keys_file=keys_file).exposure_fault() is None
    assert ServiceSettings(host=host).exposure_fault() is None, "health and metrics alone need none"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    assert GuardedSettings(host=host).exposure_fault() is None


def test_an_exposed_service_exits_with_the_fix(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    class Settings(GuardedSettings):
        model_config = {**GuardedSettings.model_config, "env_prefix": "SAMPLE_"}

    monkeypatch.setenv("SAMPLE_HOST", "0.0.0.0")
    monkeypatch.setattr(sys, "argv", ["sample"])
    with pytest.raises(SystemExit) as ended:
        parse_settings(Settings, "sample", "A sample.")
    assert ended.value.code == 2
    assert "SAMPLE_HOST: 0.0.0.0 is not loopback" in capsys.readouterr().err


def test_keys_are_made_by_a_command_and_kept_as_hashes(keys_file: Path) -> None:
    command = [sys.executable, "-m", "servicekit.keys", "ann", "--scope", "submit", "--file", str(keys_file)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    (kept,) = load_keys(keys_file)
    assert (kept.name, kept.scope, kept.sha256) == ("ann", "submit", digest(made))
    assert made not in keys_file.read_text()
    assert len(base64.urlsafe_b64decode(made.removeprefix(KEY_PREFIX) + "=")) * 8 == 256
    assert keys_file.stat().st_mode & 0o077 == 0
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, len(load_keys(keys_file))) == (2, 1)


@pytest.mark.parametrize(
    ("content", "told"),
    [("[]", "no key"), ("{", "JSON"), ([{"name": "a", "scope": "all", "sha256": "0" * 64}], "scope")],
)
def test_a_keys_file_that_is_none_is_named(keys_file: Path, content: object, told: str) -> None:
    keys_file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=told):
        load_keys(keys_file)
