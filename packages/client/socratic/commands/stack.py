"""`up`, `down`, `status`: a local stack that stays."""

import os
from pathlib import Path
from typing import Annotated

import typer
from contracts.errors import Problem

from socratic.commands.context import console, settings_of, show_rows
from socratic.settings import ClientSettings
from socratic.stack.control import await_ready, running_stack, start_supervisor, stop_stack, stop_supervisor
from socratic.stack.plan import StackRequest
from socratic.stack.redis import redis_executable
from socratic.stack.serve import serve_stack
from socratic.stack.state import ProcessState, StackState, read_state

DEFAULT_STUDENT = Path("models/materials-base")
Student = Annotated[Path, typer.Option(help="Student that the engine serves: a Hugging Face model directory.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the orchestrator; 0 takes a free one.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Rollout worker processes.")]
LocalTeacher = Annotated[
    Path | None,
    typer.Option(help="Model directory that a second CPU engine serves: what jobs call the teacher `local`."),
]
Engines = Annotated[int, typer.Option(min=1, max=64, help="Replicas of the CPU engine.")]


def request_stack(
    settings: ClientSettings,
    home: Path,
    student: Path,
    port: int = 0,
    workers: int = 1,
    engines: int = 1,
    local_teacher: Path | None = None,
) -> StackRequest:
    """The stack for this student. Raises Problem when a model directory is none, or when there is no Redis to run."""
    check_model(student, "student", "student.model")
    if local_teacher is not None:
        check_model(local_teacher, "local-teacher", "teacher")
    return StackRequest(
        home=home.resolve(),
        working_directory=Path.cwd(),
        student=student.resolve(),
        workers=workers,
        engines=engines,
        local_teacher=local_teacher.resolve() if local_teacher else None,
        port=port,
        redis_url=settings.redis_url,
        redis_executable="" if settings.redis_url else redis_executable(),
    )


def check_model(directory: Path, option: str, field: str) -> None:
    """Raises Problem when it is no Hugging Face directory."""
    if not (directory / "config.json").is_file():
        detail = f"--{option}: {directory} is no model directory (it has no config.json)"
        raise Problem(
            422, f"no_{field.partition('.')[0]}", f"{detail}. Make one: socratic student make-base", field=field
        )


def up(
    context: typer.Context,
    student: Student = DEFAULT_STUDENT,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay; Ctrl-C stops the stack.")] = False,
    port: Port = 0,
    workers: Workers = 1,
    engines: Engines = 1,
    local_teacher: LocalTeacher = None,
) -> None:
    """Start Redis and all services, and leave them running.

    Examples: socratic up · socratic up --student .socratic/students/physics-base --port 8000
    """
    settings = settings_of(context)
    home = settings.home.resolve()
    state = running_stack(home, with_runs=False)
    if state is not None:
        if state.student != student.resolve():
            detail = f"A stack for {state.student} already runs here. Stop it first: socratic down"
            raise Problem(409, "stack_running", detail)
        typer.echo("The stack already runs.")
        show_stack(state)
        return
    request = request_stack(settings, home, student, port, workers, engines, local_teacher)
    if foreground:
        raise typer.Exit(serve_stack(request, dict(os.environ), show_change))
    supervisor = start_supervisor(request, dict(os.environ), detached=True)
    try:
        with console.status("starting") as status:
            state = await_ready(supervisor, home, lambda state: status.update(waiting_text(state)))
    except (KeyboardInterrupt, Problem):
        stop_supervisor(supervisor)
        raise
    show_stack(state)
    typer.echo("Next: socratic submit examples/materials.yaml --watch; stop it with socratic down")


def down(context: typer.Context) -> None:
    """Stop the stack that `socratic up` left running. Example: socratic down"""
    home = settings_of(context).home.resolve()
    state = running_stack(home, with_runs=False)
    if state is None:
        typer.echo(f"No stack runs in {home}.")
        return
    with console.status("stopping"):
        stop_stack(state)
    typer.echo("The stack is stopped. Its jobs go on with the next: socratic up")


def status(
    context: typer.Context,
    url: Annotated[bool, typer.Option("--url", help="Print only the orchestrator's address, for scripts.")] = False,
) -> None:
    """Show the processes of the running stack, their addresses and log files.

    Example: curl -s $(socratic status --url)/v1/jobs
    """
    home = settings_of(context).home.resolve()
    state = running_stack(home)
    if state is None:
        last = read_state(home)
        reason = f" The last one failed: {last.reason}" if last is not None and last.status == "failed" else ""
        raise Problem(404, "no_stack", f"No stack runs in {home}. Start one: socratic up{reason}")
    if url:
        typer.echo(state.orchestrator_url)
        return
    show_stack(state)


def waiting_text(state: StackState) -> str:
    return "waiting for " + ", ".join(state.waiting_for() or ["nothing"])


def show_change(state: StackState) -> None:
    """Once on the way up and once when all is there."""
    if state.status == "ready" and not state.waiting_for():
        show_stack(state)
    elif state.reason:
        typer.echo(f"{state.status}: {state.reason}")


def show_stack(state: StackState) -> None:
    """The processes with their addresses, and where their logs are."""
    rows = [(item.name, item.url, str(item.pid), standing(item)) for item in state.processes]
    show_rows(("process", "address", "pid", "state"), rows)
    typer.echo(f"student: {state.student}")
    typer.echo(f"logs: {os.path.relpath(state.processes[0].log.parent)}/<process>.log")


def standing(item: ProcessState) -> str:
    """Whether a process can take work, and how often it had to be started again."""
    return ("ready" if item.ready else "starting") + (f", {item.restarts} restarts" if item.restarts else "")
