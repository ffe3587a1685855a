"""Commands that talk to a running orchestrator about jobs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from contracts.events import Event
from contracts.statuses import JobStatus
from contracts.views import Job

from socratic.commands.context import Url, client_of, console, show_rows
from socratic.commands.errors import JOB_FAILED
from socratic.commands.live import follow, report_end
from socratic.jobfile import load_job
from socratic.progress import share

JobFile = Annotated[Path, typer.Argument(help="Job file, YAML or JSON; see examples/.")]
JobId = Annotated[str, typer.Argument(help="A job's id, as `socratic jobs` lists it.")]


def submit(
    context: typer.Context,
    job_file: JobFile,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, create nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")] = False,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key never makes a second job.")] = None,
    url: Url = None,
) -> None:
    """Submit a job to the running stack; prints its id.

    Examples: socratic submit examples/materials.yaml --dry-run · socratic submit examples/materials.yaml --watch
    """
    spec = load_job(job_file)
    with client_of(context, url) as client:
        if dry_run:
            found = client.check(spec)
            facts = ", ".join(f"{name} {value}" for name, value in found.items() if type(value) is int)
            typer.echo(f"{job_file} would be accepted: {facts}")
            if forecast := found.get("teacher_forecast"):
                typer.echo(teacher_line(forecast))
            return
        job = client.submit(spec, idempotency_key)
        typer.echo(job.id)
        if watch and report_end(follow(client, job.id)) != JobStatus.SUCCEEDED:
            raise typer.Exit(JOB_FAILED)


def teacher_line(forecast: Mapping[str, Any]) -> str:
    """What the teacher will be asked and cost, as ranges."""
    parts = [f"{forecast[unit]['low']:,.0f} to {forecast[unit]['high']:,.0f} {unit}" for unit in ("requests", "tokens")]
    usd = forecast["usd"]
    price = f"{usd['low']:.2f} to {usd['high']:.2f} USD" if usd else "at a price that nobody knows"
    return f"teacher: {', '.join(parts)}, {price}"


def jobs(
    context: typer.Context,
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    url: Url = None,
) -> None:
    """List jobs, newest first. Example: socratic jobs --status running"""
    with client_of(context, url) as client:
        found = client.jobs(status, limit)
    show_rows(("id", "name", "status", "step", "held-out unassisted", "waits for"), [job_row(job) for job in found])


def job_row(job: Job) -> list[str]:
    """One line of the list."""
    progress = job.progress
    accuracy = share(progress.evaluation_unassisted_accuracy)
    return [job.id, job.name, job.status, f"{progress.step}/{progress.steps}", accuracy, job.wait_reason or ""]


def watch(context: typer.Context, job_id: JobId, url: Url = None) -> None:
    """Follow a job to its end; exit status 1 when it does not succeed. Ctrl-C leaves the job running."""
    with client_of(context, url) as client:
        if report_end(follow(client, job_id)) != JobStatus.SUCCEEDED:
            raise typer.Exit(JOB_FAILED)


def pause(context: typer.Context, job_id: JobId, url: Url = None) -> None:
    """Stop a running job at its next clean point and give the engine to the next one in the queue.

    Nothing that was trained or has arrived is lost. Example: socratic pause job-0123456789ab
    """
    with client_of(context, url) as client:
        typer.echo(f"{job_id}: {client.pause(job_id).status}")


def resume(context: typer.Context, job_id: JobId, url: Url = None) -> None:
    """Queue a paused job again; it goes on exactly where it stopped. Example: socratic resume job-0123456789ab"""
    with client_of(context, url) as client:
        typer.echo(f"{job_id}: {client.resume(job_id).status}")


def cancel(context: typer.Context, job_id: JobId, url: Url = None) -> None:
    """End a job; its checkpoints and episodes stay."""
    with client_of(context, url) as client:
        typer.echo(f"{job_id}: {client.cancel(job_id).status}")


def events(
    context: typer.Context,
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    after: Annotated[str | None, typer.Option(help="Only events behind this event id.")] = None,
    url: Url = None,
) -> None:
    """Print what happened in a job, one line an event. Example: socratic events job-0123456789ab -f"""
    with client_of(context, url) as client:
        for item in client.stream(job_id, after) if follow else client.events(job_id, after):
            typer.echo(f"{item.id}  {event_line(item.event)}")


def event_line(event: Event) -> str:
    """Type and members; the records of steps and evaluations are shown by their accuracies."""
    members = event.model_dump(mode="json")
    kind = members.pop("type")
    del members["at"]
    record = members.pop("record", None)
    if record is not None:
        members |= {name: record[name] for name in ("step", "unassisted_accuracy", "guided_accuracy")}
    return f"{kind}  " + " ".join(f"{name}={value}" for name, value in members.items() if value != "")


def tasks(context: typer.Context, url: Url = None) -> None:
    """List the tasks that a job can name, and their options."""
    with client_of(context, url) as client:
        for task in client.tasks():
            console.print(f"[bold]{task['name']}[/]: {task['summary']}")
            for name, option in task["options"].get("properties", {}).items():
                default = f" (default {option['default']!r})" if "default" in option else ""
                typer.echo(f"  {name}: {option.get('description', '')}{default}")
