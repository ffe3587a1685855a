"""A progress bar with the loss and the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from students.supervised import OnStep

# The loss of one small batch jumps; this weight of the newest one makes it readable.
SMOOTHING = 0.05


@contextmanager
def training_bar(console: Console, label: str, steps: int) -> Iterator[OnStep]:
    """Yields the `on_step` of `supervised.train`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    smooth: float | None = None
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(label, total=steps, loss=float("nan"))

        def on_step(step: int, loss: float) -> None:
            nonlocal smooth
            smooth = loss if smooth is None else smooth + SMOOTHING * (loss - smooth)
            progress.update(bar, completed=step + 1, loss=smooth)

        yield on_step
