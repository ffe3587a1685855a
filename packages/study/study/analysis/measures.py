"""The numbers by which arms are compared, each a function of one finished cell. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from study.analysis.curves import common, curve
from study.records import CellResult

# Between the base students (about 0.3) and what trained ones reach (0.8 to 0.95); fixed before the first run.
THRESHOLD = 0.6
# The end of training as a mean over steps: the entropy of one batch is noisy.
LAST_STEPS = 5


@dataclass(frozen=True)
class Measure:
    """`of` gives None where the cell has no such number."""

    name: str
    label: str
    of: Callable[[CellResult], float | None]


def measures(cells: Sequence[CellResult]) -> dict[str, Measure]:
    """Measures of these cells, at the budgets that all of them reached. Raises ValueError without cells."""
    prompts, tokens = common(cells, "prompts"), common(cells, "student_tokens")
    listed = [
        Measure("unassisted", "unassisted", lambda cell: curve(cell, "unassisted", "prompts").at(prompts)),
        Measure("mean_at_k", "mean@k", lambda cell: curve(cell, "mean_at_k", "prompts").at(prompts)),
        Measure("guided", "guided", lambda cell: curve(cell, "guided", "prompts").at(prompts)),
        Measure("curve", "mean of curve", lambda cell: curve(cell, "unassisted", "prompts").mean(prompts)),
        Measure(
            "unassisted_tokens",
            "unassisted, equal tokens",
            lambda cell: curve(cell, "unassisted", "student_tokens").at(tokens),
        ),
        Measure(
            "curve_tokens",
            "mean of curve, equal tokens",
            lambda cell: curve(cell, "unassisted", "student_tokens").mean(tokens),
        ),
        Measure(
            "prompts_to_threshold",
            f"prompts to {THRESHOLD:g}",
            lambda cell: curve(cell, "unassisted", "prompts").first_reaching(THRESHOLD),
        ),
        Measure("tokens", "student tokens", lambda cell: float(cell.evaluations[-1].student_tokens)),
        Measure("entropy", "entropy at the end", final_entropy),
        Measure("calls_per_solved", "teacher calls per solved question", calls_per_solved),
        Measure("cost", "teacher USD", lambda cell: sum(step.cost_usd for step in cell.steps)),
        Measure("leak_rate", "leak rate", leak_rate),
        Measure("teacher_kl", "teacher KL at the end", final_teacher_kl),
    ]
    return {measure.name: measure for measure in listed}


def final_entropy(cell: CellResult) -> float | None:
    """Nats per student token, mean of the last steps."""
    return mean([step.entropy for step in cell.steps[-LAST_STEPS:]])


def calls_per_solved(cell: CellResult) -> float | None:
    """Guidances asked for, by episodes that were solved at any attempt."""
    solved = sum(step.solved_first + step.solved_guided for step in cell.steps)
    return sum(step.teacher_calls for step in cell.steps) / solved if solved else None


def leak_rate(cell: CellResult) -> float | None:
    """Mean over the steps in which guidance was judged."""
    return mean([step.leak_rate for step in cell.steps if step.leak_rate is not None])


def final_teacher_kl(cell: CellResult) -> float | None:
    """Nats per student token, mean of the last steps in which it was measured."""
    return mean([step.teacher_kl for step in cell.steps if step.teacher_kl is not None][-LAST_STEPS:])


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return float(np.mean(values)) if values else None
