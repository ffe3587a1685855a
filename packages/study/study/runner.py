"""Runs the cells of a plan that have no result yet, in the plan's order."""

from collections.abc import Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from contracts.views import Job

from study.cell_run import run_cell
from study.models import prepare_model
from study.plan import Cell, Plan
from study.plan_files import missing_paths, planned_cells
from study.rates import chosen_rates, write_rates
from study.records import CellResult
from study.result_files import append_result, check_unchanged, read_results
from study.stacks import Lane

# A signal to stop reaches the main thread within this time.
LOOK_SECONDS = 0.5


class Watcher(Protocol):
    """Sees the run."""

    def tell(self, text: str) -> None:
        """Something that takes a while begins."""

    def job(self, cell: Cell, job: Job) -> None:
        """A cell is under way."""

    def finished(self, result: CellResult, study: "Study") -> None:
        """A cell has ended, and its result is on disk."""


@dataclass(frozen=True)
class Choice:
    """Which of the plan's cells to run now."""

    limit: int | None = None
    only: tuple[str, ...] | None = None
    retry_failed: bool = False


class Study:
    """A plan and its results so far. Raises Problem where the two do not belong together."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.directory = directory
        self.results = {result.cell: result for result in read_results(directory, plan.name)}
        self.missing = missing_paths(plan)
        self.settle()

    def settle(self) -> None:
        """Take over the learning rates that the results choose."""
        results = list(self.results.values())
        self.cells = planned_cells(self.plan, chosen_rates(self.plan, results))
        check_unchanged(self.cells, results, self.directory)

    def add(self, result: CellResult) -> None:
        """Keep it, on disk first."""
        append_result(self.directory, result)
        self.results[result.cell] = result
        if self.plan.experiment(result.experiment).learning_rates:
            self.settle()
            write_rates(self.plan, list(self.results.values()), self.directory)

    def share(self, choice: Choice) -> None:
        """Results of cells that are the same work as one that has succeeded: what was run once is not run again."""
        twins = {each.fingerprint: each for each in self.results.values() if each.status == "succeeded"}
        for cell in self.left(choice):
            twin = twins.get(cell.fingerprint)
            if twin is not None and cell.awaits is None:
                self.add(as_result_of(cell, twin))

    def left(self, choice: Choice = Choice()) -> list[Cell]:
        """Cells to run, in order. Those that await a search are among them: it runs before."""
        return [cell for cell in self.cells if self.is_wanted(cell, choice) and not self.is_done(cell, choice)]

    def is_wanted(self, cell: Cell, choice: Choice) -> bool:
        """Chosen, and not without its data."""
        return (choice.only is None or cell.experiment in choice.only) and cell.experiment not in self.missing

    def is_done(self, cell: Cell, choice: Choice) -> bool:
        """Has a result that counts."""
        result = self.results.get(cell.id)
        return result is not None and not (choice.retry_failed and result.status == "failed")


def as_result_of(cell: Cell, twin: CellResult) -> CellResult:
    """The twin's result under the cell's own name."""
    own = {"cell": cell.id, "experiment": cell.experiment, "arm": cell.arm, "student": cell.student}
    return twin.model_copy(update={**own, "same_as": twin.same_as or twin.cell})


def run_study(study: Study, lanes: Sequence[Lane], choice: Choice, watcher: Watcher) -> list[CellResult]:
    """Run until nothing is left or the limit is reached; returns what was run. One cell a lane at a time.

    Interrupted, it leaves every finished cell on disk and nothing of those under way.
    """
    done: list[CellResult] = []
    tried: set[str] = set()
    running: dict[Future[CellResult], tuple[Cell, Lane]] = {}
    free = list(lanes)
    pool = ThreadPoolExecutor(len(lanes), thread_name_prefix="cell")
    try:
        while True:
            study.share(choice)
            while free and (cell := next_cell(study, choice, tried, [cell for cell, _ in running.values()])):
                tried.add(cell.id)
                student, local_teacher = prepare_models(study.plan, cell, watcher)
                lane = free.pop()
                client = lane.client_for(student, local_teacher)
                running[pool.submit(run_cell, client, cell, partial(watcher.job, cell))] = cell, lane
            if not running:
                return done
            for future in wait(running, LOOK_SECONDS, FIRST_COMPLETED).done:
                free.append(running.pop(future)[1])
                result = future.result()
                study.add(result)
                done.append(result)
                watcher.finished(result, study)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def prepare_models(plan: Plan, cell: Cell, watcher: Watcher) -> tuple[Path, Path | None]:
    """The directories of its student and, where it has one, of its local teacher. Raises Problem."""
    student = prepare_model(cell.student, plan.students[cell.student], watcher.tell)
    if cell.local_teacher is None:
        return student, None
    return student, prepare_model(cell.local_teacher, plan.teachers[cell.local_teacher], watcher.tell)


def next_cell(study: Study, choice: Choice, tried: Set[str], running: Sequence[Cell]) -> Cell | None:
    """The first that is left, awaits no search, and is not the same work as one under way; None at the limit."""
    if choice.limit is not None and len(tried) >= choice.limit:
        return None
    under_way = {cell.fingerprint for cell in running}
    ready = (cell for cell in study.left(choice) if cell.id not in tried and cell.awaits is None)
    return next((cell for cell in ready if cell.fingerprint not in under_way), None)
