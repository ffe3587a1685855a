"""Shows a job while it runs: a live panel on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from contracts.statuses import JobStatus
from contracts.views import Job
from rich.live import Live

from socratic.client import Client
from socratic.commands.context import console
from socratic.progress import progress_line, progress_panel
from socratic.watch import STALL_SECONDS, failure_reason, watch

# Rare enough for a log of a ten-minute job, often enough to see that it lives.
LINE_SECONDS = 5.0


def follow(client: Client, job_id: str, stall_seconds: float = STALL_SECONDS) -> Job:
    """The job once it has ended, shown all the while."""
    with live_panel() if console.is_terminal else plain_lines() as show:
        return watch(client, job_id, show, stall_seconds)


@contextmanager
def live_panel() -> Iterator[Callable[[Job], None]]:
    """A panel that is redrawn in place."""
    started = time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        yield lambda job: live.update(progress_panel(job, time.monotonic() - started), refresh=True)


@contextmanager
def plain_lines() -> Iterator[Callable[[Job], None]]:
    """A line at most every LINE_SECONDS, and one at the end."""
    last_shown = float("-inf")

    def show(job: Job) -> None:
        nonlocal last_shown
        now = time.monotonic()
        if now - last_shown >= LINE_SECONDS or job.finished_at is not None:
            last_shown = now
            typer.echo(progress_line(job))

    yield show


def report_end(job: Job) -> JobStatus:
    """Say how the job ended."""
    if job.status == JobStatus.SUCCEEDED:
        typer.echo(f"{job.id} succeeded")
    else:
        typer.echo(f"{job.id} {job.status}: {failure_reason(job)}")
    return job.status
