"""A process whose engine thread has died ends, so that a supervisor starts it anew."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from .server import START_SECONDS

BROKEN = """
from student_inference.engine import Engine
def fail(self):
    raise ZeroDivisionError("broken step")
Engine._step = fail
from student_inference.__main__ import main
import threading, time, urllib.request, urllib.error
def ask():
    body = b'{"input_ids": [5, 6]}'
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:%s/generate", body), timeout=10).read()
        except OSError:
            time.sleep(0.1)
threading.Thread(target=ask, daemon=True).start()
main()
"""


def test_the_death_of_the_engine_ends_the_process(student: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"STUDENT_INFERENCE_MODEL_PATH": str(student), "STUDENT_INFERENCE_PORT": str(port)}
    done = subprocess.run(
        [sys.executable, "-c", BROKEN % port],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 70
    assert "ZeroDivisionError: broken step" in done.stderr
