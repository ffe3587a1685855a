"""`make audit` against a stand-in of OSV: what it finds, what it does not, and that it never passes unasked."""

import json
import os
import re
import subprocess

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from ..stacks import REPOSITORY

# It may install pip-audit first.
AUDIT_SECONDS = 240
pytestmark = pytest.mark.timeout(AUDIT_SECONDS + 30)
ADVISORY = {
    "id": "PYSEC-2026-1",
    "summary": "Made up.",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}],
        }
    ],
}


def audit(url: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AUDIT_OSV_URL": url}
    return subprocess.run(
        ["tools/audit.sh"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=AUDIT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("vulnerable", [False, True])
def test_every_installed_package_is_asked_about(httpserver: HTTPServer, vulnerable: bool) -> None:
    asked: set[str] = set()

    def query(request: Request) -> Response:
        name = json.loads(request.data)["package"]["name"]
        asked.add(name)
        found = {"vulns": [ADVISORY]} if vulnerable and name == "idna" else {}
        return Response(json.dumps(found), content_type="application/json")

    httpserver.expect_request("/query").respond_with_handler(query)
    done = audit(httpserver.url_for("/query"))
    assert {"torch", "fastapi", "redis", "pydantic", "aiohttp"} <= asked
    assert done.returncode == int(vulnerable), done.stdout + done.stderr
    assert ("PYSEC-2026-1" in done.stdout) == vulnerable
    assert bool(re.search(r"^audit: ok, \d+ packages$", done.stdout, re.MULTILINE)) != vulnerable


def test_where_nobody_can_be_asked_it_says_so(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/query").respond_with_data("away", 503)
    done = audit(httpserver.url_for("/query"))
    if done.returncode == 0:
        pytest.skip("PyPI's JSON API answers here, and was asked instead")
    assert done.returncode in (1, 3)
    assert "audit: ok" not in done.stdout
    assert ("NOT DONE" in done.stderr) == (done.returncode == 3)
