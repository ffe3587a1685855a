"""`socratic study`: plan, run and report the study."""

import os
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from contracts.errors import Problem
from socratic.commands.context import settings_of, show_rows
from socratic.commands.errors import JOB_FAILED
from socratic.commands.stack import request_stack
from socratic.settings import ClientSettings
from socratic.stack.plan import StackRequest

from study.plan import Plan
from study.plan_files import load_plan, write_jobs
from study.progress import Console
from study.records import CellResult
from study.result_files import sole_writer
from study.runner import Choice, Study, run_study
from study.stacks import Lane

RESULTS = Path("docs/study/results")
COMMITTED = "miniature"  # the plan whose results are in this repository
PAGE = Path("docs/study.md")
TERMINATED = 143
app = typer.Typer(help="The study: does the method do what the paper says?", no_args_is_help=True)

PlanName = Annotated[str, typer.Argument(help="A shipped plan (miniature, full, ci) or a file.")]
Results = Annotated[
    Path | None,
    typer.Option(help=f"Directory of the results, one file an experiment. Default: {RESULTS}, or below it by plan."),
]
Only = Annotated[list[str] | None, typer.Option(help="Only this experiment; may be given again.")]


def directory_of(plan: Plan, results: Path | None) -> Path:
    """Where its results lie: each plan has a directory of its own."""
    return results or (RESULTS if plan.name == COMMITTED else RESULTS / plan.name)


@app.command("plan")
def show_plan(
    name: PlanName = "miniature",
    results: Results = None,
    write: Annotated[Path | None, typer.Option(help="Write a job file of every cell into this directory.")] = None,
    only: Only = None,
) -> None:
    """Show the experiments of a plan, what was run and what is left; or write its jobs as files.

    Examples: socratic study plan · socratic study plan full --write examples/paper
    """
    plan = load_plan(name)
    chosen = known_experiments(plan, only)
    study = Study(plan, directory_of(plan, results))
    if write is not None:
        written = write_jobs([cell for cell in study.cells if cell.experiment in chosen], write)
        typer.echo(f"{len(written)} job files in {write}")
        return
    show_rows(("experiment", "cells", "done", "failed", "left", ""), [row_of(study, each) for each in chosen])


def row_of(study: Study, experiment: str) -> list[str]:
    """One experiment in numbers."""
    cells = [cell for cell in study.cells if cell.experiment == experiment]
    results = [study.results[cell.id] for cell in cells if cell.id in study.results]
    failed = sum(result.status == "failed" for result in results)
    counts = [len(cells), len(results) - failed, failed, len(cells) - len(results)]
    return [experiment, *map(str, counts), remark(study, experiment)]


def remark(study: Study, experiment: str) -> str:
    """Why it cannot run now."""
    if paths := study.missing.get(experiment):
        return f"skipped: there is no {', '.join(paths)}"
    search = study.plan.experiment(experiment).rates_from
    waiting = any(cell.awaits for cell in study.cells if cell.experiment == experiment)
    return f"after {search}, which chooses its learning rates" if waiting else ""


@app.command("run")
def run(
    context: typer.Context,
    name: PlanName = "miniature",
    results: Results = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most cells to run now.")] = None,
    only: Only = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Stacks side by side; each wants a core.")] = 1,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
) -> None:
    """Run the cells of a plan that have no result yet. Stop it as you like: the next run goes on.

    Example: socratic study run miniature --limit 10
    """
    plan = load_plan(name)
    choice = Choice(limit, known_experiments(plan, only), retry_failed)
    # SIGTERM unwinds like Ctrl-C, so that the stacks are stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    started = time.monotonic()
    directory = directory_of(plan, results)
    with sole_writer(directory):
        study = Study(plan, directory)
        tell_remarks(study, choice)
        done = run_on_lanes(study, choice, lanes_of(settings_of(context), parallel))
    failed = sum(result.status == "failed" for result in done)
    left = len(study.left(Choice(only=choice.only)))
    typer.echo(f"study: {len(done)} cells run, {failed} failed, {left} left, {time.monotonic() - started:.0f} s")
    if failed:
        raise typer.Exit(JOB_FAILED)


def tell_remarks(study: Study, choice: Choice) -> None:
    """Say of each chosen experiment why it cannot run now."""
    for experiment in choice.only or ():
        if said := remark(study, experiment):
            typer.echo(f"{experiment}: {said}")


def run_on_lanes(study: Study, choice: Choice, lanes: list[Lane]) -> list[CellResult]:
    """Shown while it runs."""
    with ExitStack() as opened, Console(study, choice) as console:
        for lane in lanes:
            opened.enter_context(lane)
        return run_study(study, lanes, choice, console)


def lanes_of(settings: ClientSettings, parallel: int) -> list[Lane]:
    """Each with stacks of its own, in a directory of this run."""
    home = settings.home.resolve() / "study" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"

    def prepare(home: Path, student: Path, local_teacher: Path | None) -> StackRequest:
        return request_stack(settings, home, student, local_teacher=local_teacher)

    return [Lane(home / f"lane-{number}", prepare, os.environ) for number in range(parallel)]


@app.command("report")
def report(
    name: PlanName = "miniature",
    results: Results = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"The page; its pictures go into the directory of the same name. Default: {PAGE}, or study-<plan>.md."
        ),
    ] = None,
) -> None:
    """Write the report from the results that there are: tables, pictures, and the words that people added.

    Example: socratic study report miniature
    """
    # scipy and matplotlib take a second to load and are wanted here only.
    from study.report.document import write

    plan = load_plan(name)
    study = Study(plan, directory_of(plan, results))
    planned = Counter(cell.experiment for cell in study.cells)
    page = out or (PAGE if plan.name == COMMITTED else PAGE.with_stem(f"{PAGE.stem}-{plan.name}"))
    write(plan, planned, list(study.results.values()), page)
    typer.echo(f"report: {len(study.results)} of {planned.total()} cells, {page}")


def known_experiments(plan: Plan, only: list[str] | None) -> tuple[str, ...]:
    """Those that are meant, by name; all of them by default. Raises Problem for one that the plan does not have."""
    names = tuple(each.name for each in plan.experiments)
    for name in only or ():
        if name not in names:
            raise Problem(422, "no_experiment", f"--only {name}: plan {plan.name} has {', '.join(names)}")
    return tuple(only or names)
