"""How often a job will ask its teacher, for the gateway's forecast. Pure."""

from collections.abc import Sequence
from typing import Any

from contracts.jobs import JobSpec
from tasks.base import Message

# Usual English text; the tokens of a small vocabulary of whole words are no shorter.
BYTES_PER_ANSWER_TOKEN = 4


def mean_question_bytes(prompts: Sequence[list[Message]]) -> int:
    """Mean size of what the student is asked, as the teacher is shown it (UTF-8)."""
    return round(sum(len(messages[-1]["content"].encode()) for messages in prompts) / len(prompts))


def teacher_plans(spec: JobSpec, question_bytes: int) -> list[dict[str, Any]]:
    """Training and evaluations, as POST /v1/forecast of the gateway takes them."""
    text = {
        "question_bytes": question_bytes,
        "answer_bytes": spec.rollout.max_answer_tokens * BYTES_PER_ANSWER_TOKEN,
    }
    training = spec.training.steps * spec.episodes_per_step
    evaluation = evaluations(spec.training.steps, spec.evaluation.every) * spec.evaluation.episodes
    return [
        {"episodes": training, "max_attempts": spec.rollout.max_attempts, **text},
        {"episodes": evaluation, "max_attempts": spec.evaluation.max_attempts, **text},
    ]


def evaluations(steps: int, every: int) -> int:
    """Before the first step, at every n-th, and at the end."""
    return 1 + steps // every + (steps % every > 0)
