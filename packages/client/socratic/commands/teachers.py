"""`teachers list`, and `teachers check`: does every teacher of the gateway's teachers file answer?"""

from typing import Annotated, Any

import httpx2
import typer
from contracts.errors import Problem

from socratic.commands.context import Url, client_of, settings_of, show_rows
from socratic.commands.errors import JOB_FAILED
from socratic.problems import raise_for_problem, unreachable
from socratic.stack.control import running_stack
from socratic.stack.plan import GATEWAY

app = typer.Typer(help="Teachers: who they are and whether they answer.", no_args_is_help=True)
# The gateway gives each teacher half a minute, all at the same time.
CHECK_SECONDS = 45.0
DETAIL_CHARACTERS = 160


@app.callback()
def teachers() -> None:
    """Teachers: who they are and whether they answer."""


@app.command("list")
def list_teachers(context: typer.Context, url: Url = None) -> None:
    """List the teachers that a job can name, and whether each can be asked. Example: socratic teachers list"""
    with client_of(context, url) as client:
        found = client.teachers()
    rows = [
        (
            teacher["name"] or teacher["provider"],
            teacher["model"] or "-",
            "available" if teacher["available"] else "not available",
            teacher["detail"],
        )
        for teacher in found
    ]
    show_rows(("teacher", "model", "state", ""), rows)


@app.command()
def check(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Teachers to try; default: all of the file.")] = None,
    gateway: Annotated[str | None, typer.Option(help="Teacher gateway; default: the running stack's.")] = None,
) -> None:
    """Ask each teacher for one short guidance, and pay for it; exit status 1 when one of them fails.

    Example: socratic teachers check frontier local
    """
    checks = ask_gateway(gateway or gateway_url(context), names)
    rows = [
        (
            item["name"],
            item["code"],
            item["model"],
            f"{item['seconds']:.1f} s",
            f"{item['price_usd']:.5f} USD",
            " ".join(item["detail"].split())[:DETAIL_CHARACTERS],
        )
        for item in checks
    ]
    show_rows(("teacher", "result", "model", "time", "price", "said"), rows)
    failed = [item["name"] for item in checks if item["code"] != "ok"]
    typer.echo(f"teachers: {len(checks) - len(failed)} of {len(checks)} answer")
    if failed:
        raise typer.Exit(JOB_FAILED)


def ask_gateway(url: str, names: list[str] | None) -> list[dict[str, Any]]:
    """The gateway's checks. Raises Problem, also when there is no named teacher at all."""
    try:
        with httpx2.Client(timeout=CHECK_SECONDS, trust_env=False) as http:
            response = http.post(f"{url.rstrip('/')}/v1/teachers/check", json={"names": names or None})
    except httpx2.TransportError as error:
        raise unreachable(url, error) from None
    raise_for_problem(response)
    checks: list[dict[str, Any]] = response.json()["data"]
    if not checks:
        detail = "The gateway has no named teachers. Set TEACHER_GATEWAY_TEACHERS_FILE (see deploy/teachers.yaml)"
        raise Problem(404, "no_teachers", detail)
    return checks


def gateway_url(context: typer.Context) -> str:
    """The gateway of the running stack. Raises Problem when none runs."""
    home = settings_of(context).home.resolve()
    state = running_stack(home)
    if state is None:
        raise Problem(404, "no_stack", f"No stack runs in {home}. Start one: socratic up (or pass --gateway)")
    return next(process.url for process in state.processes if process.name == GATEWAY)
