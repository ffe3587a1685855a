"""Do the services of a running system answer, are they of the client's version, and can they take work?"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import httpx2
from contracts import keys
from contracts.errors import Problem

from socratic.doctor.finding import Finding
from socratic.doctor.redis import connect
from socratic.problems import raise_for_problem, unreachable

# Health is answered at once; the list of teachers asks a neighbour.
ANSWER_SECONDS = 10.0
LOGS = "socratic status names its log"


class Asker:
    """GET with the user's key."""

    def __init__(self, api_key: str | None) -> None:
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx2.Client(headers=headers, timeout=ANSWER_SECONDS, trust_env=False)

    def get(self, url: str) -> Any:
        """The JSON. Raises Problem, also where nobody answers or what answers is no JSON."""
        try:
            response = self._http.get(url)
            raise_for_problem(response)
            return response.json()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise unreachable(url, error) from None
        except ValueError:
            raise Problem(502, "no_json", f"{url} answers no JSON; is it the right address?") from None


def check_orchestrator(asker: Asker, url: str) -> list[Finding]:
    """Ready, of this version, open to this key; its neighbours through its own eyes."""
    try:
        asker.get(f"{url}/readyz")
    except Problem as problem:
        return [Finding("orchestrator", "failed", problem.detail, f"socratic up, or see its log ({LOGS})")]
    findings = [Finding("orchestrator", "ok", f"ready at {url}")]
    try:
        document = asker.get(f"{url}/openapi.json")
        asker.get(f"{url}/v1/jobs?limit=1")
    except Problem as problem:
        fix = "set SOCRATIC_API_KEY to a key of this orchestrator" if problem.status in (401, 403) else LOGS
        return [*findings, Finding("api key", "failed", problem.detail, fix)]
    return [*findings, check_version("orchestrator", document), *check_teachers(asker, url)]


def check_version(name: str, document: dict[str, Any]) -> Finding:
    """A service and this client share their contracts."""
    ours, theirs = version("socratic-contracts"), str(document.get("info", {}).get("version"))
    if ours == theirs:
        return Finding("versions", "ok", f"client and {name} {ours}")
    fix = f"update the older one; then restart the {name}"
    return Finding("versions", "failed", f"client {ours}, {name} {theirs}", fix)


def check_teachers(asker: Asker, url: str) -> list[Finding]:
    """One line a teacher; one that cannot be asked matters only to jobs that name it."""
    try:
        teachers = asker.get(f"{url}/v1/teachers")["data"]
    except Problem as problem:
        return [Finding("teachers", "failed", problem.detail, f"start the teacher gateway, or see its log ({LOGS})")]
    return [check_teacher(teacher) for teacher in teachers]


def check_teacher(teacher: dict[str, Any]) -> Finding:
    name = f"teacher {teacher.get('name') or teacher['provider']}"
    if teacher["available"]:
        return Finding(name, "ok", teacher["detail"] or "available")
    fix = "only jobs that name it need it: give the gateway its key or address (docs/teachers.md)"
    return Finding(name, "warning", teacher["detail"], fix)


def check_engine(asker: Asker, url: str) -> Finding:
    """It serves a model, and says which weights."""
    try:
        served = asker.get(f"{url}/model_info")
    except Problem as problem:
        return Finding("engine", "failed", problem.detail, f"start the student engine, or see its log ({LOGS})")
    detail = f"{url} serves {served.get('model_path')}, weights {served.get('weight_version')}"
    return Finding("engine", "ok", detail)


def check_heartbeats(redis_url: str) -> list[Finding]:
    """Trainer and rollout workers write one to Redis every few seconds. Nothing is found where Redis is away."""
    import redis

    try:
        with connect(redis_url) as client:
            beats = {name: list(client.scan_iter(keys.heartbeat(name, "*"), 1000)) for name in ("trainer", "worker")}
    except (redis.RedisError, ValueError):
        return []
    return [check_beats(name, found) for name, found in beats.items()]


def check_beats(name: str, beats: Sequence[bytes]) -> Finding:
    title = {"trainer": "trainer", "worker": "rollout workers"}[name]
    if beats:
        return Finding(title, "ok", f"{len(beats)} alive")
    return Finding(title, "failed", "none is alive: jobs wait, and fail after some minutes", f"start one; {LOGS}")
