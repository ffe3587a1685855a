"""Real questions through the whole stack: the example finds the letter bias of the physics set."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ..stacks import REPOSITORY

DATA = Path(os.environ.get("SCIKNOWEVAL_DIR", REPOSITORY / "../shared/data/sciknoweval")).resolve()
EXAMPLE = REPOSITORY / "examples/sciknoweval-physics.yaml"
# Making the student takes two minutes and the run three on a quiet machine.
COMMAND_SECONDS = 900
STEPS = 12


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="no SciKnowEval here; get it: socratic data sciknoweval")
@pytest.mark.timeout(2 * COMMAND_SECONDS)
def test_physics_rises_to_the_letter_bias(tmp_path: Path, command_environment: dict[str, str]) -> None:
    def socratic(*arguments: str) -> str:
        done = subprocess.run(
            ["socratic", *arguments],
            cwd=REPOSITORY,
            env=command_environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    student = tmp_path / "students/physics-base"
    make = ("student", "make-base", "sciknoweval", "--data", str(DATA), "--domain", "physics", "--out", str(student))
    made = socratic(*make)
    form = next(line for line in made.splitlines() if line.startswith("well-formed answers, T = 1:"))
    assert float(form.rpartition(" ")[2]) > 0.95

    job = yaml.safe_load(EXAMPLE.read_text())
    job["student"]["model"] = str(student)
    job["task"]["options"]["path"] = str(DATA)
    job["training"]["steps"] = STEPS
    (tmp_path / "physics.yaml").write_text(yaml.safe_dump(job))
    last = socratic("run", str(tmp_path / "physics.yaml")).splitlines()[-1]
    before, after = last.split(",")[0].removeprefix("run: unassisted ").split(" -> ")
    assert float(before) <= 0.34  # near the chance of 0.25: three standard errors of 80 questions are 0.15
    assert float(after) >= 0.36
