"""Every log line is one JSON object that names its service, whichever thread or library wrote it."""

import json
import subprocess
import sys

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
