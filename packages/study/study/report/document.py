"""The report as one Markdown page, with its pictures beside it."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from matplotlib.figure import Figure

from study.analysis.results import Arms, arms_of
from study.plan import Plan
from study.records import CellResult
from study.report import plots, tables
from study.report.markdown import table
from study.report.sections import Table, pictures, tables_of

HEADING = """<!-- Written by `socratic study report`; the words of each section are in {directory}/words. -->

# The study: {plan}"""
READING = files("study.report").joinpath("reading.md")
WORDS = "words"  # DIRECTORY/words/EXPERIMENT.md: what people make of the numbers; `introduction.md` opens the page


def write(plan: Plan, planned: Mapping[str, int], results: Sequence[CellResult], page: Path) -> None:
    """Write `page` and the pictures into the directory of the same name beside it. `planned` counts cells by name."""
    directory = page.with_suffix("")
    directory.mkdir(parents=True, exist_ok=True)
    heading = HEADING.format(directory=directory.name, plan=plan.name)
    texts = [heading, words(directory, "introduction"), READING.read_text("utf-8").strip()]
    texts.append(progress(plan, planned, results))
    for experiment in sorted(plan.experiments, key=lambda each: each.priority):
        arms = arms_of(experiment, results)
        texts.extend(section(arms, planned[experiment.name], directory))
    page.write_text("\n\n".join(text for text in texts if text) + "\n", "utf-8")


def progress(plan: Plan, planned: Mapping[str, int], results: Sequence[CellResult]) -> str:
    """What was run and what was not."""
    rows = []
    for experiment in sorted(plan.experiments, key=lambda each: each.priority):
        arms = arms_of(experiment, results)
        done, seconds = len(arms.all), sum(cell.seconds for cell in arms.all)
        counts = [f"{done} of {planned[experiment.name]}", str(len(arms.failed)), f"{seconds / 60:.0f} min"]
        rows.append([f"[{experiment.name}](#{experiment.name.replace('.', '')})", *counts])
    return table(["experiment", "cells run", "failed", "wall time of its jobs"], rows)


def section(arms: Arms, planned: int, directory: Path) -> Iterator[str]:
    """One experiment: what was asked and expected, what was measured, what it means."""
    experiment = arms.experiment
    yield f"## {experiment.name}"
    yield f"**Question.** {experiment.question.strip()}"
    yield f"**Expected beforehand.** {experiment.hypothesis.strip()}"
    if not arms.all:
        yield f"Not run (0 of {planned} cells): `socratic study run --only {experiment.name}`."
        yield failures(arms)
        return
    yield f"{len(arms.all)} of {planned} cells. Before training: {tables.before_training(arms)}."
    yield failures(arms)
    yield words(directory, experiment.name)
    for name, made in pictures(arms):
        yield picture(directory, f"{experiment.name}-{name}.png", made, f"{experiment.name}: {name.replace('-', ' ')}")
    for each in tables_of(arms):
        yield from titled(each)


def titled(each: Table) -> Iterator[str]:
    """Nothing for a table that has nothing to show."""
    if each.content:
        yield f"**{each.title}**"
        yield each.content


def failures(arms: Arms) -> str:
    """Cells that failed, by name and reason: none of them is in a table."""
    return "\n".join(f"- failed: `{cell.cell}`: {cell.reason}" for cell in arms.failed)


def words(directory: Path, name: str) -> str:
    """Written by hand, or nothing."""
    path = directory / WORDS / f"{name}.md"
    return path.read_text("utf-8").strip() if path.exists() else ""


def picture(directory: Path, name: str, made: Figure, text: str) -> str:
    """Save it and show it."""
    plots.save(made, directory / name)
    return f"![{text}]({directory.name}/{name})"
