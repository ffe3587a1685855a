"""Which checkpoints of a job are kept, and by which rule: pure, because the trainer and the API must agree."""

from collections.abc import Iterable, Mapping
from typing import Literal

from contracts.jobs import JobSpec

Rule = Literal["last", "best", "every", "awaiting_evaluation", "unreadable_spec"]


def kept_by(spec: JobSpec, steps: Iterable[int], accuracies: Mapping[int, float]) -> dict[int, list[Rule]]:
    """Every step that has a checkpoint, with the rules that keep it; none means that it may be deleted.

    `accuracies`: held-out unassisted accuracy by policy version. A checkpoint that is still to be evaluated may turn
    out to be the best, so it stays until then.
    """
    training, ordered = spec.training, sorted(steps)
    measured = [step for step in ordered if step in accuracies]
    # Of equals the older one: a plateau must not make the best checkpoint change at every evaluation.
    best = sorted(measured, key=lambda step: (-accuracies[step], step))[: training.keep_best]
    chosen: dict[Rule, list[int]] = {
        "last": ordered[-training.keep_last :],
        "best": best,
        "every": [step for step in ordered if training.keep_every and step % training.keep_every == 0],
        "awaiting_evaluation": [
            step for step in ordered if training.keep_best and spec.evaluates_at(step) and step not in accuracies
        ],
    }
    return {step: [rule for rule, kept in chosen.items() if step in kept] for step in ordered}
