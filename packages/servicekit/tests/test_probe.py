"""The health check of our images."""

import socket
import subprocess
import sys

import pytest
from pytest_httpserver import HTTPServer

COMMAND_SECONDS = 30


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_healthy_is_what_answers_2xx(httpserver: HTTPServer, status: int, code: int) -> None:
    httpserver.expect_request("/readyz").respond_with_data("the reason", status=status)
    command = [sys.executable, "-m", "servicekit.probe", httpserver.url_for("/readyz")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == code
    assert ("the reason" in done.stderr) == bool(code)


def test_nobody_there_is_unhealthy() -> None:
    with socket.socket() as bound:  # taken, and nobody listens
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/readyz"
        command = [sys.executable, "-m", "servicekit.probe", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        assert done.returncode == 1
        assert url in done.stderr
