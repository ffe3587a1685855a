"""Results made by hand, so that every number of a test can be checked on paper."""

from typing import Any

from study.records import CellResult, EvaluationPoint, StepPoint

JOB: dict[str, Any] = {
    "name": "by-hand",
    "task": {"name": "materials"},
    "student": {"model": "models/a"},
    "rollout": {"max_attempts": 2, "group_size": 2},
    "training": {"steps": 2, "learning_rate": 1e-4},
}


def evaluation(step: int, unassisted: float | None, tokens: int, **others: Any) -> EvaluationPoint:
    """10 prompts a step."""
    given = {
        "policy_version": step,
        "prompts": 10 * step,
        "questions": 4,
        "guided": 1.0,
        "mean_at_k": 0.5,
        "k": 4,
    }
    return EvaluationPoint(step=step, unassisted=unassisted, student_tokens=tokens, **{**given, **others})


def training_step(step: int, **others: Any) -> StepPoint:
    """A step of 4 episodes, two solved at once, one with help."""
    given = {
        "prompts": 10 * step,
        "student_tokens": 100 * step,
        "entropy": 0.1,
        "factors": [1.0, 0.5],
        "mean_advantage_by_attempt": [0.1, -0.1],
        "mean_advantage_correct_by_attempt": [1.0, 0.1],
        "mean_advantage_wrong_by_attempt": [-0.8, -0.8],
        "share_first_attempts": 2 / 3,
        "teacher_calls": 2,
        "solved_first": 2,
        "solved_guided": 1,
        "cost_usd": 0.25,
        "loss": 0.0,
        "gradient_norm": 1.0,
    }
    return StepPoint(step=step, **{**given, **others})


def cell(arm: str, student: str, seed: int, accuracies: list[float], tokens: int = 100, **others: Any) -> CellResult:
    """Evaluated at steps 0, 1, 2 ... with `tokens` student tokens a step."""
    given = {
        "plan": "small",
        "cell": f"main/{arm}/{student}/seed-{seed}",
        "experiment": "main",
        "fingerprint": "f",
        "job": JOB,
        "started_at": 0.0,
        "seconds": 60.0,
        "status": "succeeded",
        "evaluations": [evaluation(step, value, tokens * step) for step, value in enumerate(accuracies)],
        "steps": [training_step(1), training_step(2)],
        "outcomes": ["1102", "1021"],
    }
    return CellResult(arm=arm, student=student, seed=seed, **{**given, **others})
