"""Every log line is one JSON object that names its service, whichever thread or library wrote it."""

import json
import subprocess
import sys
from datetime import UTC, datetime

SCRIPT = """
import logging, threading, structlog
from servicekit.logs import configure_logs
configure_logs("rollout-worker")
log = structlog.get_logger()
def work():
    log.info("ours", job_id="job-1")
    logging.getLogger("a.library").warning("theirs")
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_lines_of_other_threads_and_libraries_name_the_service() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["service"], line["level"]) for line in lines] == [
        ("ours", "rollout-worker", "info"),
        ("theirs", "rollout-worker", "warning"),
    ]
    assert lines[0]["job_id"] == "job-1"


BINDING = """
import structlog
from servicekit.logs import Bound, bind, configure_logs
configure_logs("rollout-worker")
log = structlog.get_logger()
with Bound(request_id="r", job_id="outer"):
    bind(key="mine")
    with Bound(job_id="inner"):
        log.info("within", attempt=1)
        log.info("own fields win", job_id="own")
    log.info("between")
log.info("after")
"""


def test_bound_fields_are_told_within_their_block_only() -> None:
    done = subprocess.run([sys.executable, "-c", BINDING], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    names = ("event", "request_id", "key", "job_id", "attempt")
    assert [[line.get(name) for name in names] for line in lines] == [
        ["within", "r", "mine", "inner", 1],
        ["own fields win", "r", "mine", "own", None],
        ["between", "r", "mine", "outer", None],
        ["after", None, None, None, None],
    ]


ALIKE = """
import logging, structlog
from servicekit.logs import Bound, configure_logs
configure_logs("rollout-worker")
ours, theirs = structlog.get_logger(), logging.getLogger("a.library")
with Bound(job_id="j"):
    ours.warn("odd \\ud800 \u00e4 %s", number=1.5, path=__import__("pathlib").PurePath("a"))
    for log in (ours, theirs):
        log.warning("plain")
        try:
            raise ValueError("x")
        except ValueError:
            log.exception("broken")
        log.error("seen from here", stack_info=True)
"""


def test_our_lines_and_those_of_libraries_are_made_alike() -> None:
    done = subprocess.run([sys.executable, "-c", ALIKE], capture_output=True, text=True, timeout=60, check=True)
    odd, *lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (odd["event"], odd["level"], odd["number"]) == ("odd \ud800 \u00e4 %s", "warning", 1.5)
    assert "PurePosixPath('a')" in odd["path"]
    for our, their in zip(lines[:3], lines[3:], strict=True):
        assert our.keys() == their.keys()
        assert [our[name] for name in ("event", "service", "level", "job_id")] == [
            their[name] for name in ("event", "service", "level", "job_id")
        ]
        assert [datetime.fromisoformat(line["timestamp"]).tzinfo for line in (our, their)] == [UTC, UTC]
    assert "ValueError: x" in lines[1]["exception"]
    assert "Stack" in lines[2]["stack"]
