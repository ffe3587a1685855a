"""`run` and `demo`: one job from nothing to its learning curves."""

import os
import signal
import sys
import time
from pathlib import Path

import typer
from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.views import Job

from socratic.client import Client
from socratic.commands.context import console, settings_of
from socratic.commands.jobs import JobFile
from socratic.commands.live import follow
from socratic.commands.stack import Workers, request_stack, waiting_text
from socratic.jobfile import load_job
from socratic.results import result_of, result_table, summary_line
from socratic.runs import Run, run_job
from socratic.stack.control import RUNS
from socratic.stack.state import StackState
from socratic.watch import STALL_SECONDS

DEMO_JOB = Path("examples/materials.yaml")
# The whole demo takes minutes; one that stands still this long is broken.
DEMO_STALL_SECONDS = 300.0
TERMINATED = 143


def run(context: typer.Context, job_file: JobFile, workers: Workers = 1) -> None:
    """Start a stack for the job's student, train, show the results, stop everything.

    Example: socratic run examples/sciknoweval-physics.yaml
    """
    run_to_the_end(context, job_file, workers, "run")


def demo(context: typer.Context) -> None:
    """Train the shipped student with the built-in tutor, through all the services; a few minutes on two cores.

    Needs nothing but this repository: run it in its root directory, or type `make demo`.
    """
    if not DEMO_JOB.is_file():
        detail = f"There is no {DEMO_JOB} here. Run the demo in the repository's root directory."
        raise Problem(422, "no_demo", detail)
    run_to_the_end(context, DEMO_JOB, 1, "demo", DEMO_STALL_SECONDS)


def run_to_the_end(
    context: typer.Context, job_file: Path, workers: int, label: str, stall_seconds: float = STALL_SECONDS
) -> None:
    """Train, then print the table, the curves' path, and as last line the summary for scripts."""
    finished, home = run_alone(context, load_job(job_file), job_file.stem, workers, stall_seconds)
    # matplotlib takes half a second to load and is wanted here only.
    from socratic.curves import save_curves

    curves = home / "curves.png"
    save_curves(curves, finished.job.name, finished.steps, finished.evaluations)
    result = result_of(finished.steps, finished.evaluations, finished.seconds)
    console.print(result_table(result))
    typer.echo(f"learning curves: {os.path.relpath(curves)}")
    typer.echo(summary_line(label, result))


def run_alone(
    context: typer.Context, spec: JobSpec, name: str, workers: int, stall_seconds: float = STALL_SECONDS
) -> tuple[Run, Path]:
    """A job on a stack of its own, shown while it runs. Returns it with the stack's directory."""
    # SIGTERM unwinds like Ctrl-C, so that the stack is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    settings = settings_of(context)
    home = settings.home / RUNS / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    request = request_stack(settings, home, Path(spec.student.model), workers=workers)
    typer.echo(f"logs: {os.path.relpath(request.log_directory)}")

    # Shown from the first state on: the supervisor must be forked before the status line's thread exists.
    status = console.status("starting")

    def show_waiting(state: StackState) -> None:
        status.start()
        status.update(waiting_text(state))

    def follow_job(client: Client, job_id: str) -> Job:
        status.stop()
        return follow(client, job_id, stall_seconds)

    try:
        return run_job(spec, request, os.environ, follow_job, show_waiting), home
    finally:
        status.stop()
