"""The learning rate as a function of the number of updates made, and of nothing else: a resumed run repeats it."""

import math
from collections.abc import Callable

from contracts.jobs import TrainingSpec


def constant(_: float) -> float:
    """The peak to the end."""
    return 1.0


def linear(done: float) -> float:
    """A straight line to zero."""
    return 1.0 - done


def cosine(done: float) -> float:
    """Half a cosine to zero (SGDR without restarts, arXiv 1608.03983 eq. 5)."""
    return 0.5 * (1.0 + math.cos(math.pi * done))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "linear": linear, "cosine": cosine}


def learning_rate_of(spec: TrainingSpec, updates: int) -> float:
    """Of the update that follows `updates` others: linear warm-up to the peak, then the schedule over the rest.

    Skipped updates (batches without gradient) leave the schedule unfinished at the end, never beyond it.
    """
    if updates < spec.warmup_steps:
        return spec.learning_rate * (updates + 1) / spec.warmup_steps
    rest = max(1, spec.steps * spec.epochs * spec.minibatches - spec.warmup_steps)
    done = min(1.0, (updates - spec.warmup_steps) / rest)
    return spec.learning_rate * SCHEDULES[spec.schedule](done)
