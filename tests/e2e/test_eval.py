"""`socratic eval`: a student's held-out accuracy with intervals, through the whole stack, without training."""

import re
import subprocess
from pathlib import Path

import pytest

from ..stacks import REPOSITORY

EVAL_SECONDS = 240
ACCURACY = r"(\d\.\d\d) \((\d\.\d\d)-(\d\.\d\d)\)"
LAST_LINE = re.compile(rf"eval: unassisted {ACCURACY}, guided {ACCURACY}, 24 questions, \d+ s")


def run(environment: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    command = ["socratic", "eval", "examples/materials.yaml", *options]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=EVAL_SECONDS, check=False
    )


@pytest.mark.timeout(EVAL_SECONDS + 30)
def test_the_base_student_is_measured_and_nothing_is_trained(
    tmp_path: Path, command_environment: dict[str, str]
) -> None:
    done = run(command_environment, "--questions", "24", "--samples", "2", "--temperature", "0.6")
    assert done.returncode == 0, done.stdout + done.stderr
    last = LAST_LINE.fullmatch(done.stdout.splitlines()[-1])
    assert last, done.stdout
    unassisted, low, high, guided = (float(last[index]) for index in (1, 2, 3, 4))
    assert 0 < low <= unassisted <= high < 1
    # The shipped student's card: about a third right alone, nearly all with the tutor's hints.
    assert unassisted < 0.7 < guided
    assert "pass@2" in done.stdout
    assert list((tmp_path / "home").rglob("step-*/model.safetensors")) == []


def test_samples_without_a_temperature_are_refused(command_environment: dict[str, str]) -> None:
    done = run(command_environment, "--samples", "4")
    assert done.returncode == 2
    assert "evaluation" in done.stderr
    assert "temperature 0 always gives the same answer" in done.stderr
