"""Run by the tests as a process: supervises the plans given as JSON, as `python -m socratic.stack` does."""

import json
import os
import sys
from pathlib import Path

from socratic.stack.plan import ProcessPlan
from socratic.stack.supervisor import Supervisor

home = Path(sys.argv[1])
plans = [
    ProcessPlan(item["name"], tuple(item["command"]), {}, item["url"], item["url"] + "/")
    for item in json.loads(sys.argv[2])
]
supervisor = Supervisor(plans, home, Path("student"), "http://orchestrator", dict(os.environ), grace_seconds=0.5)
raise SystemExit(supervisor.run())
