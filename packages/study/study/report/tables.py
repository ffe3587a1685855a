"""The tables of one experiment. Pure."""

from collections.abc import Callable

from study.analysis.compare import Difference, difference, summary
from study.analysis.curves import value
from study.analysis.measures import measures
from study.analysis.results import Arms
from study.decay_lab import RULES, RuleSummary, rule_summary
from study.records import CellResult, PartAccuracy
from study.report.markdown import gap, number, spread, table

AT_EQUAL_PROMPTS = ("unassisted", "mean_at_k", "guided", "curve", "prompts_to_threshold")
AT_EQUAL_TOKENS = ("unassisted_tokens", "curve_tokens")
COMPARED = ("unassisted", "curve", "unassisted_tokens", "curve_tokens")
SPENT = ("tokens", "calls_per_solved", "cost", "entropy", "leak_rate", "teacher_kl")


def accuracies(arms: Arms) -> str:
    """Every arm's measures: mean ± standard deviation over its cells."""
    return measured(arms, (*AT_EQUAL_PROMPTS, *AT_EQUAL_TOKENS))


def spending(arms: Arms) -> str:
    """What the arms spent and what became of the policy; columns that nobody has are left out."""
    listed = measures(arms.all)
    present = [name for name in SPENT if any(listed[name].of(cell) for cell in arms.all)]
    return measured(arms, present)


def measured(arms: Arms, names: tuple[str, ...] | list[str]) -> str:
    """One row an arm, one column a measure."""
    listed = measures(arms.all)
    chosen = [listed[name] for name in names]
    rows = [
        [arms.label(arm), str(len(cells)), *(spread(summary(cells, measure)) for measure in chosen)]
        for arm, cells in arms.cells.items()
    ]
    return table(["arm", "cells", *(measure.label for measure in chosen)], rows)


def differences(arms: Arms) -> str:
    """Every arm less the experiment's arm of comparison; empty where it has none or has not run."""
    reference = arms.cells.get(arms.experiment.compare_with or "")
    if not reference:
        return ""
    listed = measures(arms.all)
    rows = []
    for arm, cells in arms.cells.items():
        if cells is not reference:
            found = {name: difference(cells, reference, listed[name]) for name in COMPARED}
            rows.append([arms.label(arm), *map(gap, found.values()), by_student(found["curve"])])
    less = arms.label(arms.experiment.compare_with or "")
    header = [f"less {less}", *(listed[name].label for name in COMPARED), "mean of curve, by student"]
    return table(header, rows) if rows else ""


def by_student(found: Difference | None) -> str:
    """Whether the base students agree."""
    return ", ".join(f"{name} {gap:+.3f}" for name, gap in found.by_student.items()) if found else number(None)


Parts = Callable[[CellResult], dict[str, PartAccuracy]]


def parts(arms: Arms, of: Parts) -> str:
    """Unassisted and guided accuracy at the end, by domain or split; empty where nothing is divided."""
    names = sorted({name for cell in arms.all for name in of(cell)})
    if len(names) < 2:
        return ""
    rows = [[arms.label(arm), *(part(cells, of, name) for name in names)] for arm, cells in arms.cells.items()]
    return table(["unassisted / guided at the end", *names], rows)


def part(cells: list[CellResult], of: Parts, name: str) -> str:
    """Means over the cells that were asked these questions."""
    found = [of(cell)[name] for cell in cells if name in of(cell)]
    if not found:
        return number(None)
    unassisted = sum(value(each, "unassisted") for each in found) / len(found)
    return f"{number(unassisted)} / {number(sum(each.guided for each in found) / len(found))}"


def of_domain(cell: CellResult) -> dict[str, PartAccuracy]:
    return dict(cell.evaluations[-1].by_domain)


def of_split(cell: CellResult) -> dict[str, PartAccuracy]:
    return dict(cell.evaluations[-1].by_split)


def before_training(arms: Arms) -> str:
    """The base students, which all arms share."""
    found: dict[str, CellResult] = {}
    for cell in arms.all:
        found.setdefault(cell.student, cell)
    texts = []
    for student, cell in sorted(found.items()):
        start = cell.evaluations[0]
        texts.append(f"{student} {number(value(start, 'unassisted'))} unassisted, {number(start.guided)} guided")
    return "; ".join(texts)


def decay_rules(arms: Arms, arm: str) -> str:
    """The laboratory on one arm's batches."""
    found = {rule: rule_summary(arms.cells[arm], rule) for rule in RULES}
    header = ["rule", "batches", "cold", "factor at least 0.9", "mean factor", "advantage, first", "advantage, later"]
    return table(header, [rule_row(rule, each) for rule, each in found.items()])


def rule_row(rule: str, found: RuleSummary) -> list[str]:
    advantages = (number(found.first_success, 2), number(found.later_success, 2))
    return [rule, str(found.batches), str(found.cold), str(found.vanished), number(found.factor), *advantages]
