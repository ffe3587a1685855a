"""What `socratic eval` makes of a job file."""

from pathlib import Path

import pytest
from contracts.errors import Problem
from socratic.commands.evaluate import evaluation_only
from socratic.jobfile import load_job

JOB_FILE = Path(__file__).parents[3] / "examples" / "materials.yaml"


def test_the_job_is_kept_but_for_its_training() -> None:
    job = load_job(JOB_FILE)
    asked = {"questions": 24, "samples": 2, "temperature": 0.6}
    made = evaluation_only(job, Path("runs/checkpoint"), asked, JOB_FILE)
    assert made.training.steps == 0
    assert made.student.model == "runs/checkpoint"
    assert made.evaluation == job.evaluation.model_copy(update=asked)
    assert (made.task, made.teacher, made.rollout) == (job.task, job.teacher, job.rollout)


def test_without_options_it_asks_as_the_job_does() -> None:
    job = load_job(JOB_FILE)
    made = evaluation_only(job, None, {}, JOB_FILE)
    assert (made.student, made.evaluation) == (job.student, job.evaluation)


def test_options_that_do_not_fit_are_named() -> None:
    with pytest.raises(Problem) as caught:
        evaluation_only(load_job(JOB_FILE), None, {"samples": 4}, JOB_FILE)
    (error,) = caught.value.errors
    assert error["field"] == "evaluation"
    assert "temperature 0 always gives the same answer" in error["message"]
