"""`checkpoints list`, `export` and `delete`: what the trainer keeps of a job, and a copy to take away."""

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer
from contracts.errors import Problem
from contracts.views import Checkpoint

from socratic.client import Client
from socratic.commands.context import Url, client_of, settings_of, show_rows
from socratic.commands.jobs import JobId
from socratic.progress import share

# The trainer looks every second; one in the middle of a long update looks when it comes to its next phase.
DELETED_WITHIN_SECONDS = 10.0
LOOK_SECONDS = 0.2
app = typer.Typer(help="Checkpoints of a job: what is kept, copies of it, and deletion.", no_args_is_help=True)


@app.command("list")
def list_checkpoints(context: typer.Context, job_id: JobId, url: Url = None) -> None:
    """List what the trainer keeps of a job, oldest first. Example: socratic checkpoints list job-0123456789ab"""
    with client_of(context, url) as client:
        found = client.checkpoints(job_id)
    headings = ("step", "status", "written", "held-out unassisted", "kept by", "student.model")
    show_rows(headings, [checkpoint_row(checkpoint) for checkpoint in found])


def checkpoint_row(checkpoint: Checkpoint) -> list[str]:
    """One line of the list; a damaged one says what is wrong with it."""
    return [
        str(checkpoint.step),
        state(checkpoint),
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(checkpoint.created_at)),
        share(checkpoint.unassisted_accuracy),
        ", ".join(checkpoint.kept_by) or "-",
        checkpoint.student_model or "-",
    ]


def state(checkpoint: Checkpoint) -> str:
    """Whether it is whole, and whether it is about to go."""
    text = f"{checkpoint.status}: {checkpoint.damage}" if checkpoint.damage else checkpoint.status
    return f"{text}, being deleted" if checkpoint.deleting else text


@app.command("delete")
def delete_checkpoint(
    context: typer.Context,
    job_id: JobId,
    step: Annotated[int, typer.Argument(min=0, help="Of this step; `checkpoints list` shows them.")],
    url: Url = None,
) -> None:
    """Delete a checkpoint for good, and its policy unless that is the newest; refused while a live job needs it.

    Example: socratic checkpoints delete job-0123456789ab 40
    """
    with client_of(context, url) as client:
        client.delete_checkpoint(job_id, step)
        rest = settled(client, job_id, step)
    if rest is not None and not rest.deleting:
        detail = f"step {step} could not be deleted; `socratic events {job_id}` tells why"
        raise Problem(500, "delete_failed", detail)
    typer.echo(f"{job_id}: step {step} {'deleted' if rest is None else 'is deleted as soon as the trainer runs'}")


def settled(client: Client, job_id: str, step: int) -> Checkpoint | None:
    """What is left of it when the trainer has dealt with it, or after DELETED_WITHIN_SECONDS; None: nothing."""
    until = time.monotonic() + DELETED_WITHIN_SECONDS
    while True:
        rest = next((each for each in client.checkpoints(job_id) if each.step == step), None)
        if rest is None or not rest.deleting or time.monotonic() > until:
            return rest
        time.sleep(LOOK_SECONDS)


@app.command("export")
def export_checkpoint(
    context: typer.Context,
    job_id: JobId,
    out: Annotated[Path, typer.Option(help="Directory to make; it must not exist.")],
    step: Annotated[int | None, typer.Option(min=0, help="Of this step; default: the newest whole one.")] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Where the trainer keeps its files; default: that of the stack of SOCRATIC_HOME."),
    ] = None,
    url: Url = None,
) -> None:
    """Copy a trained student to a directory of its own, a Hugging Face model that anything can load.

    Example: socratic checkpoints export job-0123456789ab --step 40 --out my-student
    """
    with client_of(context, url) as client:
        chosen = choose(client.checkpoints(job_id), step, job_id)
    source = (data_root or settings_of(context).home / "data") / (chosen.student_model or "")
    copy_whole(source, out)
    typer.echo(f"{out}: step {chosen.step} of {job_id}")


def choose(found: list[Checkpoint], step: int | None, job_id: str) -> Checkpoint:
    """The checkpoint of the step, else the newest. Raises Problem when it is damaged, gone, or never was."""
    usable = [each for each in found if each.status != "damaged" and each.student_model is not None]
    chosen = next((each for each in reversed(usable) if step in (None, each.step)), None)
    if chosen is None:
        steps = ", ".join(str(each.step) for each in usable) or "none"
        detail = (
            f"--step: {job_id} has no whole checkpoint of step {step}" if step is not None else f"{job_id} has none"
        )
        raise Problem(404, "checkpoint_not_found", f"{detail}; whole ones: {steps}", field="step")
    return chosen


def copy_whole(source: Path, out: Path) -> None:
    """All or nothing: a broken copy leaves no half model behind."""
    if not source.is_dir():
        detail = f"--data-root: {source} is not on this machine; run this where the trainer keeps its files"
        raise Problem(404, "no_such_directory", detail)
    if out.exists():
        raise Problem(409, "directory_exists", f"--out: {out} exists already; name another directory")
    unfinished = out.with_name(f".unfinished-{out.name}")
    try:
        shutil.copytree(source, unfinished)
        unfinished.rename(out)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise Problem(500, "copy_failed", f"{out} could not be written: {error}") from None
