"""`episodes list`, `episodes show` and `episodes try`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from contracts.clones import merge_patch
from contracts.trials import EpisodeRequest
from pydantic import ValidationError

from socratic.commands.context import Url, client_of, show_rows
from socratic.commands.jobs import JobId
from socratic.dialogue import dialogue_text
from socratic.jobfile import load_job, problem_of
from socratic.overrides import overrides_of

app = typer.Typer(help="Episodes: attempts and guidance, as they were.", no_args_is_help=True)


@app.command("list")
def list_episodes(
    context: typer.Context,
    job_id: JobId,
    step: Annotated[int | None, typer.Option(min=0, help="Only this training step.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Of the last attempt: correct, wrong, malformed ...")] = None,
    attempts: Annotated[int | None, typer.Option(min=0, max=16, help="Only those of so many attempts.")] = None,
    purpose: Annotated[str, typer.Option(help="train or eval.")] = "train",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    url: Url = None,
) -> None:
    """List episodes of a job. Example: socratic episodes list job-0123456789ab --step 3 --outcome wrong"""
    filters = {"purpose": purpose, "step": step, "outcome": outcome, "attempts": attempts}
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
    """Print one episode as a dialogue. Example: socratic episodes show job-0123456789ab/train/1/materials-17/0"""
    with client_of(context, url) as client:
        typer.echo(dialogue_text(client.episode(episode_id)))


@app.command("try")
def try_episode(
    context: typer.Context,
    job_file: Annotated[Path, typer.Argument(help="Its student, task, teacher and rollout are taken.")],
    question_id: Annotated[str | None, typer.Option(help="A question of the task; default: a held-out one.")] = None,
    question: Annotated[str | None, typer.Option(help="A question of your own; give its --answer too.")] = None,
    answer: Annotated[str | None, typer.Option(help="The right answer to --question.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="What differs: temperature=0, seed=7, max_attempts=4.")
    ] = None,
    url: Url = None,
) -> None:
    """Make one episode now, to try a teacher, a prompt or a student, and print it; nothing of it is kept.

    The weights are those that the engine serves at this moment. Its teacher is paid.

    Examples: socratic episodes try examples/materials.yaml
    · socratic episodes try examples/materials.yaml --set teacher.provider=retry --set max_attempts=4
    """
    own = None if question is None else {"text": question, "answer": answer or ""}
    request = request_of(job_file, {"question_id": question_id, "question": own} | overrides_of(settings or []))
    with client_of(context, url) as client:
        typer.echo(dialogue_text(client.try_episode(request)))


def request_of(job_file: Path, changes: dict[str, Any]) -> EpisodeRequest:
    """The episode that the job would make. Raises Problem naming every wrong field."""
    spec = load_job(job_file)
    rollout = spec.rollout.model_dump(include={"max_attempts", "temperature", "max_answer_tokens"})
    base = {
        "student": spec.student.model_dump(),
        "task": spec.task.model_dump(),
        "teacher": spec.teacher.model_dump(exclude_unset=True),
        "seed": spec.seed,
        **rollout,
    }
    try:
        return EpisodeRequest.model_validate(merge_patch(base, changes))
    except ValidationError as error:
        raise problem_of(job_file, error) from None
