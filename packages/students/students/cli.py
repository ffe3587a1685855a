"""`socratic student`: make the small base students."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from contracts.errors import Problem
from rich.console import Console
from tasks.registry import create_task

app = typer.Typer(help="Small students to train.", no_args_is_help=True)
make_base = typer.Typer(help="Make a base student from a seed.", no_args_is_help=True)
app.add_typer(make_base, name="make-base")

Out = Annotated[Path, typer.Option(help="Folder to write, in Hugging Face layout.")]
Seed = Annotated[int, typer.Option(min=0, help="Equal seeds give equal weights on one thread.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads of torch.")]

Make = Callable[[Path, Any, Any, Console], dict[str, float]]
"""Directory, task, recipe and console -> figures of the card."""

# The commands import torch in their bodies: `socratic --help` must not wait seconds for it.


@make_base.command()
def materials(
    out: Out,
    seed: Seed = 0,
    threads: Threads = 1,
    teacher: Annotated[bool, typer.Option("--teacher", help="One that knows the terms, to score students.")] = False,
) -> None:
    """The base of the built-in task `materials`, or a teacher for it: about four minutes on one thread.

    Examples: socratic student make-base materials --out .socratic/students/materials-base --seed 1 ·
    socratic student make-base materials --teacher --out .socratic/students/materials-teacher
    """
    from tasks.materials import MaterialsOptions, MaterialsTask

    from students.materials import make_materials_base, make_materials_teacher

    make = make_materials_teacher if teacher else make_materials_base
    _make_word_base(make, MaterialsTask(MaterialsOptions()), out, seed, threads)


@make_base.command()
def recipes(out: Out, seed: Seed = 0, threads: Threads = 1) -> None:
    """The base of the built-in task `recipes`: about three minutes on one thread.

    Example: socratic student make-base recipes --out .socratic/students/recipes-base --seed 1
    """
    from tasks.recipes import RecipesOptions, RecipesTask

    from students.recipes import make_recipes_base

    _make_word_base(make_recipes_base, RecipesTask(RecipesOptions()), out, seed, threads)


@make_base.command()
def sciknoweval(
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the JSON lines.")],
    domain: Annotated[str, typer.Option(help="biology, chemistry, material or physics.")],
    out: Out,
    seed: Seed = 0,
    hidden: Annotated[int, typer.Option(help="Width; a multiple of twice the heads.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Transformer blocks.")] = 2,
    heads: Annotated[int, typer.Option(min=1, help="Query heads; half as many for keys and values.")] = 4,
    vocab: Annotated[int, typer.Option(min=300, help="Tokens of the byte-level BPE.")] = 2048,
    context: Annotated[int, typer.Option(min=64, help="Longest dialogue in tokens.")] = 2048,
    steps: Annotated[int, typer.Option(min=1, help="Supervised updates.")] = 400,
    threads: Threads = 1,
) -> None:
    """A base that knows only the form of an answer: about a minute on one thread.

    Example: socratic student make-base sciknoweval --data DATA --domain physics --out .socratic/students/physics-base
    """
    import torch

    from students.architecture import small_qwen3
    from students.sciknoweval import Recipe, make_sciknoweval_base

    torch.set_num_threads(threads)
    console = Console()
    try:
        size = small_qwen3(hidden, layers, heads, context)
        recipe = Recipe(size=size, vocabulary=vocab, seed=seed, steps=steps)
        task = create_task("sciknoweval", {"path": str(data.resolve()), "domain": domain}, [data])
        figures = make_sciknoweval_base(out, task, recipe, console)
    except (Problem, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    _report(console, figures, out)


def _make_word_base(make: Make, task: Any, out: Path, seed: int, threads: int) -> None:
    import torch

    from students.wordbase import Recipe

    torch.set_num_threads(threads)
    console = Console()
    _report(console, make(out, task, Recipe(seed=seed), console), out)


def _report(console: Console, figures: dict[str, float], out: Path) -> None:
    for name, value in figures.items():
        console.print(f"{name}: {value:.3f}")
    console.print(f"student: {out}", soft_wrap=True)
