"""What a person sees while a study runs: a line for each cell, and on a terminal where the cells under way stand."""

import time
from types import TracebackType
from typing import Self

from contracts.views import Job
from rich.console import Console as RichConsole
from socratic.progress import duration, share

from study.analysis.curves import value
from study.plan import Cell
from study.records import CellResult
from study.runner import Choice, Study


class Console:
    """A watcher of the run."""

    def __init__(self, study: Study, choice: Choice) -> None:
        self.total = len(study.left(choice))
        if choice.limit is not None:
            self.total = min(self.total, choice.limit)
        self.done = 0
        self.started = time.monotonic()
        self.under_way: dict[str, str] = {}
        self.console = RichConsole(highlight=False, soft_wrap=True)
        self.status = self.console.status("starting the stack")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.status.stop()

    def tell(self, text: str) -> None:
        """A line."""
        self.console.print(text, markup=False)

    def job(self, cell: Cell, job: Job) -> None:
        """Called from the lanes' threads."""
        if self.console.is_terminal:
            self.under_way[cell.id] = f"{cell.id} step {job.progress.step} of {job.progress.steps}"
            self.status.update("; ".join(list(self.under_way.values())))
            self.status.start()

    def finished(self, result: CellResult, study: Study) -> None:
        """A line for it."""
        self.done += 1
        self.under_way.pop(result.cell, None)
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        after = f"; about {duration(left)} left" if self.done < self.total else ""
        self.console.print(f"{self.done} of {self.total}  {line_of(result)}{after}", markup=False)


def line_of(result: CellResult) -> str:
    """Such as `main/grpo/base-0/seed-1: unassisted 0.31 -> 0.82, 43 s`."""
    if result.status == "failed":
        return f"{result.cell}: failed: {result.reason}"
    first, last = (value(point, "unassisted") for point in (result.evaluations[0], result.evaluations[-1]))
    return f"{result.cell}: unassisted {share(first)} -> {share(last)}, {result.seconds:.0f} s"
