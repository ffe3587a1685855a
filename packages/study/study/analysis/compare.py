"""Arms against each other: means over seeds and students, and paired differences with bootstrap intervals. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.analysis.measures import Measure
from study.records import CellResult

CONFIDENCE = 0.95
RESAMPLES = 10_000
# Below this a resampled interval says next to nothing: the differences are listed, the interval is left out.
FEWEST_PAIRS = 4
# The report of the same data is the same to the byte.
BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Summary:
    """Over `n` cells; the sample standard deviation is None for a single one. `missing` cells had no such number."""

    mean: float | None
    deviation: float | None
    n: int
    missing: int = 0


@dataclass(frozen=True)
class Difference:
    """Arm less reference, cell by cell of the same student and seed."""

    mean: float
    interval: tuple[float, float] | None
    pairs: int
    wins: int
    by_student: dict[str, float]

    @property
    def told_apart(self) -> bool:
        """The interval leaves 0 out."""
        return self.interval is not None and not self.interval[0] <= 0.0 <= self.interval[1]


def summary(cells: Iterable[CellResult], measure: Measure) -> Summary:
    """Mean and spread of a measure over the cells of one arm."""
    all_values = [measure.of(cell) for cell in cells]
    values = [value for value in all_values if value is not None]
    if not values:
        return Summary(None, None, 0, len(all_values))
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), deviation, len(values), len(all_values) - len(values))


def difference(arm: Sequence[CellResult], reference: Sequence[CellResult], measure: Measure) -> Difference | None:
    """Paired by student and seed; None without a pair.

    The interval is the percentile bootstrap of the mean (scipy.stats.bootstrap), every pair drawn alike: it speaks of
    new seeds for these base students. `by_student` shows whether the students agree.
    """
    theirs = {(cell.student, cell.seed): measure.of(cell) for cell in reference}
    pairs: list[tuple[str, float]] = []
    for cell in arm:
        mine, other = measure.of(cell), theirs.get((cell.student, cell.seed))
        if mine is not None and other is not None:
            pairs.append((cell.student, mine - other))
    if not pairs:
        return None
    differences = np.array([gap for _, gap in pairs])
    students = sorted({student for student, _ in pairs})
    return Difference(
        mean=float(differences.mean()),
        interval=interval(differences) if len(pairs) >= FEWEST_PAIRS else None,
        pairs=len(pairs),
        wins=int((differences > 0).sum()),
        by_student={name: float(np.mean([gap for student, gap in pairs if student == name])) for name in students},
    )


def interval(differences: np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap of the mean."""
    found = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    ).confidence_interval
    return float(found.low), float(found.high)
