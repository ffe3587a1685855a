"""The `socratic` command line."""

from collections.abc import Callable
from importlib.util import find_spec

import typer

from socratic.commands import checkpoints, data, doctor, episodes, evaluate, figures, jobs, run, stack, teachers
from socratic.commands.errors import SocraticGroup
from socratic.settings import ClientSettings

EPILOG = "Exit status: 0 done, 1 the job or stack failed, 2 refused, 130 Ctrl-C."
app = typer.Typer(
    cls=SocraticGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog=EPILOG,
    help="Train a student with a teacher.\n\n"
    "First: socratic demo. Then your own: socratic run JOB.yaml, or keep a stack with socratic up and submit to it. "
    "State is kept in .socratic/ (SOCRATIC_HOME); REDIS_URL names a Redis that already runs.",
)


@app.callback()
def read_settings(context: typer.Context) -> None:
    """Read the environment once, for every command."""
    context.obj = ClientSettings()


JOB_COMMANDS: list[Callable[..., None]] = [
    jobs.submit,
    jobs.clone,
    jobs.jobs,
    jobs.watch,
    jobs.pause,
    jobs.resume,
    jobs.cancel,
    jobs.events,
    jobs.tasks,
    figures.metrics,
    figures.step,
    figures.models,
]
STACK_COMMANDS: list[Callable[..., None]] = [run.demo, run.run, stack.up, stack.down, stack.status, doctor.doctor]
app.command("eval")(evaluate.evaluate)
for command in STACK_COMMANDS + JOB_COMMANDS:
    app.command()(command)
app.add_typer(checkpoints.app, name="checkpoints")
app.add_typer(episodes.app, name="episodes")
app.add_typer(teachers.app, name="teachers")
app.add_typer(data.app, name="data")
# The client alone may be installed on a machine without torch.
if find_spec("students") is not None:
    from students.cli import app as student_app

    app.add_typer(student_app, name="student")
if find_spec("study") is not None:
    from study.cli import app as study_app

    app.add_typer(study_app, name="study")


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
