"""Dialogues must fit the student's context, and so must what the method shows it."""

from typing import Any

import pytest
from contracts.errors import Problem
from contracts.jobs import JobSpec
from orchestrator.validation.rollouts import check_context


def spec(method: str, answer_tokens: int, attempts: int = 1, evaluation_attempts: int = 1) -> JobSpec:
    body: dict[str, Any] = {
        "name": "n",
        "student": {"model": "m"},
        "task": {"name": "materials"},
        "method": {"name": method},
        "rollout": {"max_attempts": attempts, "max_answer_tokens": answer_tokens},
        "training": {"steps": 1},
        "evaluation": {"max_attempts": evaluation_attempts},
    }
    return JobSpec.model_validate(body)


@pytest.mark.parametrize(
    ("method", "attempts", "longest"),
    # 512 tokens less a prompt of 100: for one answer, for two, for two less the 64 tokens around the demonstration.
    [("grpo", 1, 412), ("socratic_po", 2, 206), ("sdpo", 1, 174)],
)
def test_the_longest_answer_that_fits(method: str, attempts: int, longest: int) -> None:
    check_context(spec(method, longest, attempts), 100, 512)
    with pytest.raises(Problem, match=f"set it to at most {longest}") as caught:
        check_context(spec(method, longest + 1, attempts), 100, 512)
    assert caught.value.field == "rollout.max_answer_tokens"


def test_the_attempts_of_an_evaluation_must_fit_too() -> None:
    check_context(spec("grpo", 103, evaluation_attempts=4), 100, 512)
    with pytest.raises(Problem, match="and 4 answers of 104 tokens exceed"):
        check_context(spec("grpo", 104, evaluation_attempts=4), 100, 512)
