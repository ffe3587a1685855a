"""`socratic doctor` on a system that is well."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .system import System

pytestmark = pytest.mark.timeout(240)
# It asks a handful of services that answer at once, on a machine that may be busy.
DOCTOR_SECONDS = 60


def test_a_system_that_is_well_has_no_failure(system: System) -> None:
    command = [str(Path(sys.executable).with_name("socratic")), "doctor", "--json"]
    environment = {"PATH": "/usr/bin:/bin", "SOCRATIC_HOME": str(system.home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DOCTOR_SECONDS, check=False)
    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert [each for each in found.values() if each["state"] in ("failed", "skipped")] == []
    assert done.returncode == 0
    for name in ("redis append-only file", "redis memory policy", "trainer", "rollout workers", "versions", "engine"):
        assert found[name]["state"] == "ok", found[name]
    assert found["teacher tutor"]["state"] == "ok"


def test_a_guarded_system_asks_the_doctor_for_its_key(system: System) -> None:
    command = [str(Path(sys.executable).with_name("socratic")), "doctor", "--url", system.guarded_url]
    environment = {"PATH": "/usr/bin:/bin", "SOCRATIC_HOME": str(system.home)}
    for key, code in ((None, 1), (system.keys["read"], 0)):
        given = environment if key is None else environment | {"SOCRATIC_API_KEY": key}
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=DOCTOR_SECONDS, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert ("SOCRATIC_API_KEY" in done.stdout) == (key is None)
