"""`eval`: the held-out accuracy of any student directory, without training."""

from pathlib import Path
from typing import Annotated, Any

import typer
from contracts.jobs import JobSpec

from socratic.commands.context import console
from socratic.commands.jobs import JobFile
from socratic.commands.run import run_alone
from socratic.commands.stack import Workers
from socratic.jobfile import job_of, load_job
from socratic.results import accuracy_line, accuracy_table


def evaluate(
    context: typer.Context,
    job_file: JobFile,
    student: Annotated[Path | None, typer.Option(help="Model directory, such as a checkpoint.")] = None,
    questions: Annotated[int | None, typer.Option(min=1, help="How many held-out questions; else the job's.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="k of mean@k and pass@k; needs a temperature.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="0 is greedy.")] = None,
    workers: Workers = 1,
) -> None:
    """Ask a student the held-out questions of a job, on a stack of its own. Nothing is trained.

    Example: socratic eval examples/materials.yaml --student models/materials-base --samples 16 --temperature 0.6
    """
    asked = {"questions": questions, "samples": samples, "temperature": temperature}
    given = {name: value for name, value in asked.items() if value is not None}
    spec = evaluation_only(load_job(job_file), student, given, job_file)
    finished, _ = run_alone(context, spec, f"eval-{job_file.stem}", workers)
    (record,) = finished.evaluations
    console.print(accuracy_table(record))
    typer.echo(accuracy_line(record, finished.seconds))


def evaluation_only(spec: JobSpec, student: Path | None, given: dict[str, Any], job_file: Path) -> JobSpec:
    """The job with no training steps. Raises Problem naming the option that does not fit."""
    content = spec.model_dump(mode="json", exclude_unset=True)
    content["training"]["steps"] = 0
    content["evaluation"] = content.get("evaluation", {}) | given
    if student is not None:
        content["student"] = {"model": str(student)}
    return job_of(content, job_file)
