"""A job as one line, or as a panel for a terminal. Pure formatting."""

from contracts.views import Job, Progress
from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

UNKNOWN = "-"


def share(value: float | None) -> str:
    """An accuracy or decay factor."""
    return UNKNOWN if value is None else f"{value:.2f}"


def steps(progress: Progress) -> str:
    """Of how many; another version may have stored what this one cannot read."""
    return UNKNOWN if progress.steps is None else str(progress.steps)


def rate(value: float | None) -> str:
    """Per second: whole numbers from ten on."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def duration(seconds: float | None) -> str:
    """h:mm:ss, or m:ss below an hour."""
    if seconds is None:
        return UNKNOWN
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def held_out(progress: Progress) -> str:
    """The last evaluation, told apart from the training batches by its step."""
    if progress.evaluation_step is None:
        return UNKNOWN
    unassisted, guided = progress.evaluation_unassisted_accuracy, progress.evaluation_guided_accuracy
    return f"{share(unassisted)} / {share(guided)} at step {progress.evaluation_step}"


def progress_line(job: Job) -> str:
    """For logs and pipes."""
    progress = job.progress
    parts = [
        f"step {progress.step}/{steps(progress)}",
        f"unassisted {share(progress.unassisted_accuracy)}",
        f"guided {share(progress.guided_accuracy)}",
        f"mu {share(progress.decay_factor)}",
        f"held-out {held_out(progress)}",
        f"{rate(progress.episodes_per_second)} episodes/s",
        f"{rate(progress.tokens_per_second)} tokens/s",
        f"left {duration(progress.seconds_left)}",
        job.wait_reason or job.status,
    ]
    return " | ".join(parts)


def progress_panel(job: Job, elapsed: float) -> Panel:
    """For a terminal; `elapsed` in seconds."""
    progress = job.progress
    grid = Table.grid(padding=(0, 2))
    for row in (
        (
            "step",
            f"{progress.step} of {steps(progress)}",
            "time",
            f"{duration(elapsed)}, left {duration(progress.seconds_left)}",
        ),
        ("unassisted", share(progress.unassisted_accuracy), "guided", share(progress.guided_accuracy)),
        ("decay factor mu", share(progress.decay_factor), "held-out, both", held_out(progress)),
        ("episodes/s", rate(progress.episodes_per_second), "tokens/s", rate(progress.tokens_per_second)),
    ):
        grid.add_row(*(Text(cell, "dim" if index % 2 == 0 else "bold") for index, cell in enumerate(row)))
    notes = [job.wait_reason or job.status]
    notes += [f"{progress.cold_batches} cold batches"] * bool(progress.cold_batches)
    notes += [f"{progress.failed_episodes} failed episodes"] * bool(progress.failed_episodes)
    bar = Table.grid(expand=True)
    bar.add_row(ProgressBar(total=max(progress.steps or 0, 1), completed=progress.step))
    body = Group(bar, grid, Text(", ".join(notes), "italic"))
    return Panel(body, title=f"{job.name} ({job.id})", subtitle=job.status, width=88)
