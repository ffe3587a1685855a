"""The job files that users start from."""

from pathlib import Path

import pytest
from contracts.errors import Problem
from socratic.jobfile import load_job

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_job_of_its_own_name(path: Path) -> None:
    assert load_job(path).name == path.stem


def test_the_examples_are_there() -> None:
    assert [path.stem for path in EXAMPLES] == ["commercial-teacher", "materials", "recipes", "sciknoweval-physics"]


def test_the_demo_trains_the_shipped_student_with_the_tutor() -> None:
    spec = load_job(ROOT / "examples" / "materials.yaml")
    assert (ROOT / spec.student.model / "model.safetensors").is_file()
    assert (spec.teacher.provider, spec.evaluation.questions) == ("tutor", 240)


def test_one_line_of_the_physics_job_switches_to_a_commercial_teacher(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "sciknoweval-physics.yaml").read_text()
    offline = next(line for line in text.splitlines() if line.startswith("teacher:"))
    commercial = next(line for line in text.splitlines() if line.startswith("# teacher:"))
    switched = tmp_path / "job.yaml"
    switched.write_text(text.replace(offline, "").replace(commercial, commercial.removeprefix("# ")))
    assert load_job(switched).teacher.provider == "openai_compatible"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "no readable YAML"),
        ("- a list", "is not a job"),
        ("", "is not a job"),
    ],
)
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(content)
    with pytest.raises(Problem, match=message):
        load_job(path)


def test_every_wrong_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    text = (ROOT / "examples" / "materials.yaml").read_text()
    path.write_text(text.replace("max_attempts: 2 #", "max_attempts: -1 #").replace("  steps: ", "  stepps: "))
    with pytest.raises(Problem) as caught:
        load_job(path)
    fields = {error["field"] for error in caught.value.errors}
    assert fields == {"rollout.max_attempts", "training.steps", "training.stepps"}


def test_a_missing_file_points_to_the_examples(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"examples/\*\.yaml"):
        load_job(tmp_path / "none.yaml")
