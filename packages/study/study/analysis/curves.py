"""Learning curves of one cell, read at equal prompts or at equal student tokens. Pure.

Axes: E evaluations of the cell, in the order of steps.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from study.records import CellResult, PartAccuracy

Floats = NDArray[np.float64]
Budget = Literal["prompts", "student_tokens"]
Quantity = Literal["unassisted", "mean_at_k", "guided"]


@dataclass(frozen=True)
class Curve:
    """Accuracy against what was spent for it; `spent_E` rises from 0."""

    spent_E: Floats
    accuracy_E: Floats

    def at(self, spent: float) -> float:
        """Between two evaluations a straight line. Raises ValueError beyond the last: nothing was measured there."""
        if spent > self.spent_E[-1]:
            raise ValueError(f"the curve ends at {self.spent_E[-1]:g}, asked for {spent:g}")
        return float(np.interp(spent, self.spent_E, self.accuracy_E))

    def mean(self, spent: float) -> float:
        """Mean height from 0 to `spent`: the area below the straight lines, over its width. Raises as `at` does."""
        if spent <= self.spent_E[0]:
            return self.at(spent)
        inside = self.spent_E < spent
        xs = np.append(self.spent_E[inside], spent)
        ys = np.append(self.accuracy_E[inside], self.at(spent))
        return float(np.trapezoid(ys, xs) / (xs[-1] - xs[0]))

    def first_reaching(self, threshold: float) -> float | None:
        """What had been spent when the lines first touched `threshold`; None if they never did."""
        above = np.flatnonzero(self.accuracy_E >= threshold)
        if not above.size:
            return None
        index = int(above[0])
        if index == 0:
            return float(self.spent_E[0])
        rising = slice(index - 1, index + 1)
        return float(np.interp(threshold, self.accuracy_E[rising], self.spent_E[rising]))


def value(point: PartAccuracy, quantity: Quantity) -> float:
    """Unassisted is greedy where that was asked for, else the mean of the samples."""
    if quantity == "unassisted" and point.unassisted is None:
        return point.mean_at_k
    return float(getattr(point, quantity))


def curve(cell: CellResult, quantity: Quantity, budget: Budget) -> Curve:
    """The cell's evaluations. Raises ValueError where it has none."""
    if not cell.evaluations:
        raise ValueError(f"{cell.cell} has no evaluation")
    points = sorted(cell.evaluations, key=lambda point: point.step)
    spent_E = np.array([getattr(point, budget) for point in points], dtype=np.float64)
    return Curve(spent_E, np.array([value(point, quantity) for point in points]))


def common(cells: Iterable[CellResult], budget: Budget) -> float:
    """The most that every cell spent: where all of them can be compared. Raises ValueError without cells."""
    return min(float(curve(cell, "unassisted", budget).spent_E[-1]) for cell in cells)
