"""`data`: question sets that are not part of this repository."""

from pathlib import Path
from typing import Annotated

import typer

from socratic import sciknoweval as source

app = typer.Typer(help="Question sets that you download yourself.", no_args_is_help=True)


@app.callback()
def data() -> None:
    """Question sets that you download yourself."""


@app.command()
def sciknoweval(
    out: Annotated[Path, typer.Option(help="Folder to write <domain>_<split>.jsonl into.")] = Path(
        "../shared/data/sciknoweval"
    ),
    address: Annotated[str, typer.Option("--source", help="Folder of the source files, or a mirror of it.")] = (
        source.SOURCE
    ),
) -> None:
    """Download SciKnowEval's reasoning questions (HICAI-ZJU) in the split of SDPO and SocraticPO; needs a network.

    Writes biology, chemistry, material and physics, each train and test, as JSON lines
    {id, domain, split, question, options, answer}.

    Licence: SciKnowEval's dataset card says MIT, its source repository carries no licence file; the split comes from
    github.com/lasgroup/SDPO (Apache-2.0). The questions are not part of this repository: make sure that your use is
    covered.

    Cautions: in physics, always answering B scores 0.41 on the test set; 200 of the 500 biology questions have two
    options.

    Example: socratic data sciknoweval --out ../shared/data/sciknoweval
    """
    for path, questions in source.download(out, address):
        typer.echo(f"{path}: {questions} questions")
    typer.echo("Next: socratic student make-base sciknoweval --help")
