"""Which tables and pictures an experiment gets: decided by what its results contain, not by its name."""

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.jobs import JobSpec
from matplotlib.figure import Figure

from study.analysis.results import Arms
from study.records import CellResult
from study.report import plots, tables


@dataclass(frozen=True)
class Table:
    title: str
    content: str


def tables_of(arms: Arms) -> Iterator[Table]:
    """From the main numbers to the details; those with nothing to show are empty."""
    yield Table("Accuracy", tables.accuracies(arms))
    yield Table("Paired differences", tables.differences(arms))
    yield Table("What it took", tables.spending(arms))
    yield Table("By split of the held-out questions", tables.parts(arms, tables.of_split))
    yield Table("By domain", tables.parts(arms, tables.of_domain))
    decayed = decayed_arm(arms)
    if decayed is not None:
        title = f"Reward decay laboratory: the batches of {arms.label(decayed)} under other rules"
        yield Table(title, tables.decay_rules(arms, decayed))


def pictures(arms: Arms) -> Iterator[tuple[str, Figure]]:
    """Name and figure."""
    if arms.experiment.learning_rates:
        return  # a search is a table
    yield "curves", plots.accuracy_curves(arms)
    reference = arms.cells.get(arms.experiment.compare_with or "")
    if reference and len(arms.cells) > 1:
        yield "differences", plots.difference_plot(arms)
    yield "dynamics", plots.dynamics(arms)
    decayed = decayed_arm(arms)
    if decayed is not None:
        yield "decay-laboratory", plots.decay_laboratory(arms.cells[decayed])


def decayed_arm(arms: Arms) -> str | None:
    """The arm whose batches the laboratory takes: the one compared with, where its episodes have several attempts."""
    reference = arms.experiment.compare_with
    if reference not in arms.cells or arms.experiment.learning_rates:
        return None
    return reference if has_later_attempts(arms.cells[reference][0]) else None


def has_later_attempts(cell: CellResult) -> bool:
    return JobSpec.model_validate(cell.job).rollout.max_attempts > 1
