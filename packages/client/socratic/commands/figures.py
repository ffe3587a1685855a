"""`metrics`, `step` and `models`: what a job's curves and steps say, and which students there are."""

from typing import Annotated

import typer
from contracts.episode_views import AttemptCell, EpisodeAttempts

from socratic.commands.context import Url, client_of, show_rows
from socratic.commands.jobs import JobId
from socratic.sparklines import as_csv, curve_row

MEBIBYTE = 2**20


def metrics(
    context: typer.Context,
    job_id: JobId,
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of curves, or how they begin; default: all of them.")
    ] = None,
    table: Annotated[bool, typer.Option("--csv", help="Every point as CSV, a line a step.")] = False,
    points: Annotated[int, typer.Option(min=2, max=10_000, help="Most points of a curve.")] = 1000,
    url: Url = None,
) -> None:
    """Show a job's curves as lines of text, each with its lowest, highest and last value.

    Examples: socratic metrics job-0123456789ab unassisted_accuracy evaluation.
    · socratic metrics job-0123456789ab loss --csv > loss.csv
    """
    with client_of(context, url) as client:
        curves = client.metrics(job_id, names or (), points)
    if table:
        typer.echo(as_csv(curves), nl=False)
        return
    show_rows(("curve", "", "lowest", "highest", "last"), [curve_row(name, curves[name]) for name in sorted(curves)])


def step(
    context: typer.Context,
    job_id: JobId,
    number: Annotated[int, typer.Argument(min=1, help="The training step.")],
    url: Url = None,
) -> None:
    """Show a training step episode by episode: how each attempt ended, its reward and the advantage it was given.

    Example: socratic step job-0123456789ab 3
    """
    with client_of(context, url) as client:
        found, rows = client.step(job_id, number), client.attempts(job_id, number)
    factor = f", decay factor {found.record.decay_factor:.3f}" if found.record else ", not trained yet"
    typer.echo(f"step {number}: {found.episodes_arrived} of {len(rows)} episodes{factor}")
    show_rows(("question", "sample", "attempts: outcome, reward, advantage"), [episode_row(row) for row in rows])


def episode_row(row: EpisodeAttempts) -> list[str]:
    """One line of a step."""
    missing = f"failed: {row.failure}" if row.failure else "" if row.arrived else "not arrived"
    return [row.question_id, str(row.sample), missing or " · ".join(map(cell_text, row.attempts))]


def cell_text(cell: AttemptCell) -> str:
    """One attempt; what the decay made of its reward, and its advantage, once the step is trained."""
    decayed = "" if cell.reward_decayed is None else f" → {cell.reward_decayed:.2f}"
    advantage = "" if cell.advantage is None else f", {cell.advantage:+.2f}"
    return f"{cell.outcome}, {cell.reward:g}{decayed}{advantage}"


def models(context: typer.Context, url: Url = None) -> None:
    """List the students that a job can name: base models, and policies that jobs have trained.

    Example: socratic models
    """
    with client_of(context, url) as client:
        found = client.models()
    rows = [
        (
            model.id,
            model.kind,
            model.model_type or "-",
            f"{model.bytes / MEBIBYTE:.1f} MiB",
            "yes" if model.served else "no",
        )
        for model in found
    ]
    show_rows(("student.model", "kind", "type", "weights", "engine has its architecture"), rows)
