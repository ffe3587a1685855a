"""What the commands share: settings, the orchestrator they talk to, the console."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from contracts.errors import Problem
from rich.console import Console
from rich.table import Table
from rich.text import Text

from socratic.client import Client
from socratic.settings import ClientSettings
from socratic.stack.control import running_stack

Url = Annotated[
    str | None, typer.Option("--url", help="Orchestrator to talk to; default: SOCRATIC_URL, else the running stack.")
]
console = Console(highlight=False)
# Wider than any row: ids must come out whole, for people who copy them and for scripts.
ROW_WIDTH = 1000


def settings_of(context: typer.Context) -> ClientSettings:
    """What `main` read from the environment."""
    settings: ClientSettings = context.find_root().obj
    return settings


def orchestrator_url(context: typer.Context, url: str | None) -> str:
    """The address given, else the one of the running stack. Raises Problem when there is neither."""
    settings = settings_of(context)
    known = url or settings.url
    if known:
        return known
    state = running_stack(settings.home.resolve())
    if state is None:
        raise Problem(404, "no_stack", f"No stack runs in {settings.home}. Start one: socratic up (or pass --url)")
    return state.orchestrator_url


def client_of(context: typer.Context, url: str | None) -> Client:
    """A client of that orchestrator."""
    key = settings_of(context).api_key
    return Client(orchestrator_url(context, url), key.get_secret_value() if key else None)


def show_rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns without frames; a row is never folded."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=ROW_WIDTH, highlight=False).print(table)
