"""`doctor`: is everything there that a job needs, and what to do where it is not?"""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from socratic.commands.context import console, settings_of
from socratic.commands.errors import JOB_FAILED
from socratic.doctor.examine import Patient, examine
from socratic.doctor.finding import Finding, State, summary
from socratic.stack.control import running_stack

# Told by word and by colour.
STYLES: dict[State, str] = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON, for programs.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port that `socratic up --port` is to take.")] = 0,
    redis: Annotated[str | None, typer.Option(help="Redis to look at; default: REDIS_URL, else the stack's.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Orchestrator to ask; default: SOCRATIC_URL, else the running stack.")
    ] = None,
) -> None:
    """Check this machine, Redis, engines, teachers and versions; says the fix for each fault. Changes nothing.

    Works while no stack runs, too. Exit status 1 when something failed; warnings do not count.

    Examples: socratic doctor · socratic doctor --json · socratic doctor --url http://127.0.0.1:8000 --redis redis://...
    """
    settings = settings_of(context)
    home = settings.home.resolve()
    named = url or settings.url
    patient = Patient(
        home=home,
        state=None if named else running_stack(home),
        url=named.rstrip("/") if named else None,
        redis_url=redis or settings.redis_url,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        port=port,
    )
    findings = examine(patient)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        show(findings)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(JOB_FAILED)


def show(findings: list[Finding]) -> None:
    """A line each, with the fix below; the last line is for scripts."""
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        state = Text(f"{finding.state:8}", STYLES[finding.state])
        console.print(state, Text(f"{finding.check:{width}}  {finding.detail}"), soft_wrap=True)
        if finding.fix:
            console.print(Text(f"{'':8} {'':{width}}  fix: {finding.fix}"), soft_wrap=True)
    typer.echo(summary(findings))
