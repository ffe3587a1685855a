"""Step and evaluation records -> series of named values, for curves. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from contracts.records import EvaluationRecord, StepRecord
from contracts.views import Series

EVALUATION = "evaluation"
# What tells records apart, or is the same all through a job, makes no curve.
TOTALS = ("teacher_price_usd", "teacher_calls")
NO_CURVES = frozenset({"step", "policy_version", "attempt"})


def all_series(steps: Sequence[StepRecord], evaluations: Sequence[EvaluationRecord]) -> dict[str, Series]:
    """Every number of the records under its dotted name; those of evaluations begin with `evaluation.`.

    `total.teacher_price_usd` and `total.teacher_calls` are sums up to a step, which thinned points cannot give.
    """
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name in TOTALS:
        sums = accumulate(float(getattr(step, name)) for step in steps)
        points[f"total.{name}"] = [(step.step, total) for step, total in zip(steps, sums, strict=True)]
    for step in steps:
        for name, value in numbers(step.model_dump()):
            points[name].append((step.step, value))
    for evaluation in evaluations:
        for name, value in numbers(evaluation.model_dump(), EVALUATION):
            points[name].append((evaluation.step, value))
    return {name: series(found) for name, found in sorted(points.items())}


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """(dotted name, number) of everything below; truth values count as 0 and 1. Attempts are numbered by their k."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in NO_CURVES:
                yield from numbers(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value, 1):
            yield from numbers(item, f"{name}.{position}")
    elif isinstance(value, int | float):
        yield name, float(value)


def series(points: Sequence[tuple[int, float]]) -> Series:
    """JSON has neither NaN nor infinity: a diverged value is a gap of the curve."""
    return Series(
        steps=[step for step, _ in points],
        values=[value if math.isfinite(value) else None for _, value in points],
    )


def thinned(curve: Series, most: int) -> Series:
    """At most `most` points, evenly spread, the first and the last among them."""
    count = len(curve.steps)
    if count <= most:
        return curve
    kept = sorted({round(index * (count - 1) / (most - 1)) for index in range(most)})
    return Series(steps=[curve.steps[index] for index in kept], values=[curve.values[index] for index in kept])


def later_than(curve: Series, step: int) -> Series:
    """Only later points."""
    later = [pair for pair in zip(curve.steps, curve.values, strict=True) if pair[0] > step]
    return Series(steps=[at for at, _ in later], values=[value for _, value in later])
