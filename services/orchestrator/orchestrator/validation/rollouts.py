"""Can the data fill the batches, and do the dialogues fit the student's context?"""

from collections.abc import Callable, Mapping, Sequence

from contracts.errors import invalid
from contracts.jobs import JobSpec
from tasks.base import Message

# The words around the demonstration of the method sdpo: 11 of them, in any tokenizer of text.
DEMONSTRATION_TOKENS = 64


def check_batch(spec: JobSpec, train_questions: int, test_questions: int) -> None:
    """Raises a 422 Problem when a batch or an evaluation asks for more questions than there are."""
    if spec.rollout.prompts_asked > train_questions:
        raise invalid(
            "rollout.prompts_per_step",
            f"a batch needs {spec.rollout.prompts_asked} different questions, the data has {train_questions}; "
            f"set it, with spare_prompts, to at most {train_questions}",
        )
    if spec.evaluation.questions > test_questions:
        raise invalid(
            "evaluation.questions",
            f"the data has {test_questions} held-out questions; set it to at most {test_questions}",
        )


def check_splits(spec: JobSpec, sizes: Mapping[str, int]) -> None:
    """Raises a 422 Problem for a split that the task, with the job's options, does not hold out, or not so many of."""
    wanted = spec.evaluation.split_questions
    for name in spec.evaluation.splits:
        if name not in sizes:
            known = ", ".join(sizes) or "none with these options"
            raise invalid("evaluation.splits", f"task {spec.task.name} has no split {name!r}; it has: {known}")
        if wanted > sizes[name]:
            raise invalid(
                "evaluation.split_questions", f"split {name} has {sizes[name]} questions; set it to at most that"
            )


def longest_prompt(prompt_ids: Callable[[list[Message]], list[int]], prompts: Sequence[list[Message]]) -> int:
    """Tokens of the longest prompt."""
    return max(len(prompt_ids(messages)) for messages in prompts)


def check_context(spec: JobSpec, prompt_tokens: int, context_length: int) -> None:
    """Raises a 422 Problem when the longest prompt and K answers cannot fit, guidance not even counted."""
    attempts = max(spec.rollout.max_attempts, spec.evaluation.max_attempts)
    if spec.method.self_teacher_rate is not None:  # it sees a right answer before the one that it judges
        attempts, prompt_tokens = max(attempts, 2), prompt_tokens + DEMONSTRATION_TOKENS
    needed = prompt_tokens + attempts * spec.rollout.max_answer_tokens
    if needed > context_length:
        fitting = (context_length - prompt_tokens) // attempts
        raise invalid(
            "rollout.max_answer_tokens",
            f"the longest prompt ({prompt_tokens} tokens) and {attempts} answers of {spec.rollout.max_answer_tokens} "
            f"tokens exceed the student's context of {context_length}; "
            + (f"set it to at most {fitting}" if fitting > 0 else "this student is too small for these questions"),
        )
