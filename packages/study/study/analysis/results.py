"""Finished cells in order: by experiment and arm. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from study.plan import Experiment
from study.records import CellResult


@dataclass(frozen=True)
class Arms:
    """The succeeded cells of one experiment, by arm in the plan's order; arms without a cell are left out."""

    experiment: Experiment
    cells: dict[str, list[CellResult]]
    failed: list[CellResult]

    @property
    def all(self) -> list[CellResult]:
        return [cell for cells in self.cells.values() for cell in cells]

    def label(self, arm: str) -> str:
        """As the plan words it; a searched arm carries its rate: `GRPO @ 0.0004`."""
        name, _, rate = arm.partition("@")
        return self.experiment.arms[name].label + (f" @ {rate}" if rate else "")


def arms_of(experiment: Experiment, results: Iterable[CellResult]) -> Arms:
    """The experiment's share of the results; a cell of an arm that the plan no longer has is left out."""
    own = [cell for cell in results if cell.experiment == experiment.name]
    known = [cell for cell in own if cell.arm.partition("@")[0] in experiment.arms]
    order = list(experiment.arms)
    done = sorted(
        (cell for cell in known if cell.status == "succeeded" and cell.evaluations),
        key=lambda cell: (order.index(cell.arm.partition("@")[0]), cell.arm, cell.student, cell.seed),
    )
    names = dict.fromkeys(cell.arm for cell in done)
    failed = [cell for cell in known if cell.status == "failed"]
    return Arms(experiment, {name: [cell for cell in done if cell.arm == name] for name in names}, failed)
