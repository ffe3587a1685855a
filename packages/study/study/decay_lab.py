"""The reward decay laboratory: stored raw outcomes of a run, decayed again under every rule (invariant 3).

What is compared is the signal, not the training: the batches are those of the run, whichever rule trained it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from contracts.jobs import JobSpec
from contracts.outcomes import INCOMPLETE, attempt_of
from rewards.advantages import row
from rewards.decay import DECAYS
from rewards.rows import Rows, rows_of

from study.records import CellResult

# Rule and its one setting, as in the table of docs/methods.md; fixed before the first run.
RULES: dict[str, tuple[str, float]] = {
    "none": ("none", 0.0),
    "geometric 0.5": ("geometric", 0.5),
    "batch_mean": ("batch_mean", 0.0),
    "floor 0.1": ("floor", 0.1),
    "ema 0.2": ("ema", 0.2),
}
# A success with guidance earns at least this share of one without: the decay has nearly vanished (paper.md's case of
# nine right out of ten).
VANISHED = 0.9


@dataclass(frozen=True)
class Signal:
    """One batch under one rule; None where the batch has no such row."""

    step: int
    factor: float
    cold: bool
    first_success: float | None
    later_success: float | None
    failure: float | None


def batch_of(outcomes: str, attempts: int, group_size: int) -> Rows:
    """Rows of a stored batch of at most `attempts` attempts. Raises ValueError for a letter that means no attempt."""
    completed = [(index, attempt_of(mark)) for index, mark in enumerate(outcomes) if mark != INCOMPLETE]
    raw = [[0.0] * (solved - 1) + [1.0] if solved else [0.0] * attempts for _, solved in completed]
    return rows_of(raw, [[1] * len(row) for row in raw], [index // group_size for index, _ in completed])


def signals(cell: CellResult, rule: str) -> list[Signal]:
    """Every batch of the cell under a rule of RULES, with what the rule remembers from step to step."""
    name, setting = RULES[rule]
    rollout = JobSpec.model_validate(cell.job).rollout
    found: list[Signal] = []
    before: list[float] = []
    for step, outcomes in zip(cell.steps, cell.outcomes, strict=True):
        rows = batch_of(outcomes, rollout.max_attempts, rollout.group_size)
        decayed = DECAYS[name](rows, setting, before)
        before = decayed.factors
        found.append(signal(step.step, rows, decayed.rewards_RK, decayed.factors[1]))
    return found


def signal(step: int, rows: Rows, rewards_RK: np.ndarray, factor: float) -> Signal:
    """Mean advantage of the kinds of rows."""
    advantages_RK = row(rewards_RK, rows)
    right_RK = rows.made_RK & (rows.raw_RK > 0)
    later_RK = right_RK.copy()
    later_RK[:, :1] = False
    first_RK = right_RK & ~later_RK
    return Signal(
        step=step,
        factor=factor,
        cold=not rewards_RK.any(),
        first_success=mean_of(advantages_RK, first_RK),
        later_success=mean_of(advantages_RK, later_RK),
        failure=mean_of(advantages_RK, rows.made_RK & ~right_RK),
    )


def mean_of(values_RK: np.ndarray, chosen_RK: np.ndarray) -> float | None:
    return float(values_RK[chosen_RK].mean()) if chosen_RK.any() else None


@dataclass(frozen=True)
class RuleSummary:
    """A rule over all batches of several cells."""

    batches: int
    cold: int
    vanished: int
    factor: float
    later_success: float | None
    first_success: float | None


def rule_summary(cells: Iterable[CellResult], rule: str) -> RuleSummary:
    """Raises ValueError without a batch."""
    found = [each for cell in cells for each in signals(cell, rule)]
    if not found:
        raise ValueError("no batch to decay")
    return RuleSummary(
        batches=len(found),
        cold=sum(each.cold for each in found),
        vanished=sum(each.factor >= VANISHED for each in found),
        factor=float(np.mean([each.factor for each in found])),
        later_success=mean_present([each.later_success for each in found]),
        first_success=mean_present([each.first_success for each in found]),
    )


def mean_present(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None
