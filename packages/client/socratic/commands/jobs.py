"""Commands that talk to a running orchestrator about jobs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from contracts.events import Event
from contracts.statuses import JobStatus
from contracts.views import Job

from socratic.client import Client
from socratic.commands.context import Url, client_of, console, show_rows
from socratic.commands.errors import JOB_FAILED
from socratic.commands.live import follow, report_end
from socratic.jobfile import load_job
from socratic.overrides import overrides_of
from socratic.progress import share, steps

JobFile = Annotated[Path, typer.Argument(help="Job file, YAML or JSON; see examples/.")]
JobId = Annotated[str, typer.Argument(help="A job's id, as `socratic jobs` lists it.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")]
IdempotencyKey = Annotated[str | None, typer.Option(help="The same key never makes a second job.")]


def submit(
    context: typer.Context,
    job_file: JobFile,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, create nothing.")] = False,
    watch: Watch = False,
    priority: Annotated[
        int | None, typer.Option(min=-100, max=100, help="Instead of the file's: the highest runs next.")
    ] = None,
    idempotency_key: IdempotencyKey = None,
    url: Url = None,
) -> None:
    """Submit a job to the running stack; prints its id.

    Examples: socratic submit examples/materials.yaml --dry-run · socratic submit examples/materials.yaml --watch
    · socratic submit urgent.yaml --priority 10
    """
    spec = load_job(job_file)
    if priority is not None:
        spec = spec.model_copy(update={"priority": priority})
    with client_of(context, url) as client:
        if dry_run:
            show_findings(str(job_file), client.check(spec))
        else:
            show_new(client, client.submit(spec, idempotency_key), watch)


def clone(
    context: typer.Context,
    job_id: JobId,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="What differs: training.steps=200. As often as you like.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, create nothing.")] = False,
    watch: Watch = False,
    idempotency_key: IdempotencyKey = None,
    url: Url = None,
) -> None:
    """Submit a job once more, with what differs; prints the new id. `--set name=null` takes a field's default.

    Example: socratic clone job-0123456789ab --set name=longer --set training.steps=200
    """
    overrides = overrides_of(settings or [])
    with client_of(context, url) as client:
        if dry_run:
            show_findings(f"the clone of {job_id}", client.check_clone(job_id, overrides))
        else:
            show_new(client, client.clone(job_id, overrides, idempotency_key), watch)


def show_findings(what: str, found: Mapping[str, Any]) -> None:
    """What a dry run tells: figures, what to know of the questions, and what the teacher will cost."""
    facts = ", ".join(f"{name} {value}" for name, value in found.items() if type(value) is int)
    typer.echo(f"{what} would be accepted: {facts}")
    for warning in found.get("warnings", []):
        typer.echo(f"warning: {warning['text']}")
    if forecast := found.get("teacher_forecast"):
        typer.echo(teacher_line(forecast))


def show_new(client: Client, job: Job, watch: bool) -> None:
    """The id alone, for scripts; then the job to its end where that is wanted."""
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
    reason = job.unreadable_spec.detail if job.unreadable_spec else job.wait_reason or ""
    return [job.id, job.name, job.status, f"{progress.step}/{steps(progress)}", accuracy, reason]


def watch(context: typer.Context, job_id: JobId, url: Url = None) -> None:
    """Follow a job to its end; exit status 1 when it does not succeed. Ctrl-C leaves the job running.

    Example: socratic watch job-0123456789ab
    """
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
    """End a job; its checkpoints and episodes stay. Example: socratic cancel job-0123456789ab"""
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
    """List the tasks that a job can name, and their options. Example: socratic tasks"""
    with client_of(context, url) as client:
        for task in client.tasks():
            console.print(f"[bold]{task['name']}[/]: {task['summary']}")
            for name, option in task["options"].get("properties", {}).items():
                default = f" (default {option['default']!r})" if "default" in option else ""
                typer.echo(f"  {name}: {option.get('description', '')}{default}")
