"""How often a job asks its teacher."""

import pytest
from contracts.jobs import JobSpec
from orchestrator.validation.forecasts import evaluations, mean_question_bytes, teacher_plans


@pytest.mark.parametrize(("steps", "every", "count"), [(60, 10, 7), (3, 2, 3), (3, 5, 2), (1, 1, 2)])
def test_evaluations_come_before_between_and_at_the_end(steps: int, every: int, count: int) -> None:
    due = {step for step in range(steps + 1) if step % every == 0 or step == steps}
    assert evaluations(steps, every) == len(due) == count


def test_plans_count_every_episode() -> None:
    spec = JobSpec.model_validate(
        {
            "name": "n",
            "student": {"model": "m"},
            "task": {"name": "materials"},
            "rollout": {"prompts_per_step": 4, "group_size": 2, "max_attempts": 3, "max_answer_tokens": 10},
            "training": {"steps": 5},
            "evaluation": {"every": 10, "questions": 7},
        }
    )
    training, evaluation = teacher_plans(spec, 100)
    assert training == {"episodes": 40, "max_attempts": 3, "question_bytes": 100, "answer_bytes": 40}
    assert (evaluation["episodes"], evaluation["max_attempts"]) == (14, 2)


def test_the_size_of_a_question_is_that_of_its_last_turn() -> None:
    prompts = [[{"role": "system", "content": "long"}, {"role": "user", "content": text}] for text in ("ab", "äöü")]
    assert mean_question_bytes(prompts) == 4
