"""`episodes list` and `episodes show`."""

from typing import Annotated

import typer

from socratic.commands.context import Url, client_of, show_rows
from socratic.commands.jobs import JobId
from socratic.dialogue import dialogue_text

app = typer.Typer(help="Episodes: attempts and guidance, as they were.", no_args_is_help=True)


@app.command("list")
def list_episodes(
    context: typer.Context,
    job_id: JobId,
    step: Annotated[int | None, typer.Option(min=0, help="Only this training step.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Of the last attempt: correct, wrong, malformed ...")] = None,
    purpose: Annotated[str, typer.Option(help="train or eval.")] = "train",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    url: Url = None,
) -> None:
    """List episodes of a job. Example: socratic episodes list job-0123456789ab --step 3 --outcome wrong"""
    filters = {"purpose": purpose, "step": step, "outcome": outcome}
    given = {name: value for name, value in filters.items() if value is not None}
    with client_of(context, url) as client:
        found = client.episodes(job_id, limit, **given)
    rows = [(item["episode_id"], item["outcome"], str(item["attempts"])) for item in found]
    show_rows(("episode", "outcome", "attempts"), rows)


@app.command("show")
def show_episode(
    context: typer.Context,
    episode_id: Annotated[str, typer.Argument(help="An id that `socratic episodes list` prints.")],
    url: Url = None,
) -> None:
    """Print one episode as a dialogue."""
    with client_of(context, url) as client:
        typer.echo(dialogue_text(client.episode(episode_id)))
