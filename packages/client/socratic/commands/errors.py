"""Every refusal ends in one sentence, its fields, and an exit status that scripts can tell apart."""

from typing import Any

import typer
from contracts.errors import Problem
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

# 0: done. 1: a job or the stack failed. 2: refused, something in the request must change. 130: Ctrl-C.
JOB_FAILED = 1
REFUSED = 2


class SocraticGroup(TyperGroup):
    """The one place where a Problem meets the user."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a Problem becomes a message on stderr and an exit status."""
        try:
            return super().invoke(ctx)
        except Problem as problem:
            show_problem(problem)
            raise typer.Exit(exit_status(problem)) from None


def exit_status(problem: Problem) -> int:
    """4xx are refusals, everything else a failure."""
    return REFUSED if 400 <= problem.status < 500 else JOB_FAILED


def show_problem(problem: Problem) -> None:
    """The detail, then one line for each field that it does not name already."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error:[/] {escape(problem.detail)}")
    for error in problem.errors:
        if error["message"] not in problem.detail:
            console.print(f"  [bold]{escape(error['field'])}[/]: {escape(error['message'])}")
    if problem.retry_after is not None:
        console.print(f"  Try again in {problem.retry_after} s.")
