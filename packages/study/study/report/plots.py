"""The pictures. Each arm has one colour in all of them; lines are named where they end, bands are the spread of cells.

Okabe and Ito's palette, told apart by colour-blind readers.
"""

from collections.abc import Callable, Sequence
from itertools import cycle
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis.compare import difference
from study.analysis.curves import Budget, Quantity, common, curve
from study.analysis.measures import measures
from study.analysis.results import Arms
from study.decay_lab import RULES, signals
from study.records import CellResult, StepPoint

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
DOTS_PER_INCH = 110
POINTS = 101  # of a mean curve: cells were evaluated at different token counts
PANEL = (4.6, 3.4)  # inches


def figure(columns: int, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Panels in a row (or rows), with light frames."""
    made = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), layout="constrained")
    FigureCanvasAgg(made)
    panels = list(np.atleast_1d(made.subplots(rows, columns)).flat)
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return made, panels


def colours(arms: Arms) -> dict[str, str]:
    """By the plan's order of arms, so that an arm keeps its colour when others have not run yet."""
    by_name = dict(zip(arms.experiment.arms, cycle(PALETTE)))
    return {arm: by_name[arm.partition("@")[0]] for arm in arms.cells}


def accuracy_curves(arms: Arms) -> Figure:
    """Unassisted against prompts and against student tokens, guided against prompts."""
    made, panels = figure(3)
    palette = colours(arms)
    wanted: tuple[tuple[Quantity, Budget, str], ...] = (
        ("unassisted", "prompts", "unassisted, held-out"),
        ("unassisted", "student_tokens", "unassisted, held-out"),
        ("guided", "prompts", "guided, held-out"),
    )
    for axes, (quantity, budget, title) in zip(panels, wanted, strict=True):
        for arm, cells in arms.cells.items():
            draw_mean_curve(axes, cells, quantity, budget, palette[arm], arms.label(arm))
        axes.set_title(title, loc="left")
        axes.set_xlabel(f"{budget.replace('_', ' ')}, thousands")
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value / 1000:g}")
        axes.set_ylim(-0.02, 1.02)
    panels[0].set_ylabel("accuracy")
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return made


def draw_mean_curve(
    axes: Axes, cells: list[CellResult], quantity: Quantity, budget: Budget, colour: str, label: str
) -> None:
    """Mean over cells up to what all of them spent; the band is one standard deviation."""
    spent = np.linspace(0.0, common(cells, budget), POINTS)
    values = np.array([[curve(cell, quantity, budget).at(x) for x in spent] for cell in cells])
    axes.plot(spent, values.mean(axis=0), color=colour, linewidth=2, label=label)
    if len(cells) > 1:
        spread = values.std(axis=0, ddof=1)
        axes.fill_between(spent, values.mean(axis=0) - spread, values.mean(axis=0) + spread, color=colour, alpha=0.13)


def difference_plot(arms: Arms) -> Figure:
    """Paired differences from the arm of comparison, with their intervals: equal prompts left, equal tokens right."""
    reference = arms.cells[arms.experiment.compare_with or ""]
    others = [arm for arm, cells in arms.cells.items() if cells is not reference]
    made, panels = figure(2)
    palette, listed = colours(arms), measures(arms.all)
    for axes, name in zip(panels, ("curve", "curve_tokens"), strict=True):
        measure = listed[name]
        for place, arm in enumerate(reversed(others)):
            found = difference(arms.cells[arm], reference, measure)
            if found is not None:
                colour = palette[arm]
                axes.plot(found.mean, place, "o", color=colour)
                if found.interval is not None:
                    axes.plot(found.interval, (place, place), color=colour, linewidth=2)
        axes.axvline(0.0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(others)), [arms.label(arm) for arm in reversed(others)])
        axes.set_title(f"{measure.label}, less {arms.label(arms.experiment.compare_with or '')}", loc="left")
    panels[1].set_yticklabels([])
    return made


Series = Callable[[StepPoint], float | None]


def dynamics(arms: Arms) -> Figure:
    """By step, one panel a quantity; those that no cell has are left out."""
    quantities: list[tuple[str, list[tuple[Series, str]]]] = [
        ("entropy, nats per token", [(lambda step: step.entropy, "-")]),
        ("first attempts, share of all", [(lambda step: step.share_first_attempts, "-")]),
        ("advantage of right answers (second: dashed)", [(first_right, "-"), (second_right, "--")]),
        ("decay factor of a second attempt", [(second_factor, "-")]),
        ("leak rate", [(lambda step: step.leak_rate, "-")]),
        ("teacher-student KL, nats per token", [(lambda step: step.teacher_kl, "-")]),
    ]
    present = [(title, lines) for title, lines in quantities if has(arms, lines[-1][0])]
    made, panels = figure(2, ceil(len(present) / 2))
    palette = colours(arms)
    for axes, (title, lines) in zip(panels, present, strict=False):
        axes.set_title(title, loc="left")
        axes.set_xlabel("step")
        for arm, cells in arms.cells.items():
            for of, style in lines:
                draw_steps(axes, [[of(step) for step in cell.steps] for cell in cells], palette[arm], style)
    for axes in panels[len(present) :]:
        axes.set_axis_off()
    lines_of = [Line2D([], [], color=colour, label=arms.label(arm)) for arm, colour in palette.items()]
    made.legend(handles=lines_of, loc="outside lower center", ncols=4, frameon=False)
    return made


def has(arms: Arms, of: Series) -> bool:
    return any(of(step) is not None for cell in arms.all for step in cell.steps)


def first_right(step: StepPoint) -> float | None:
    return step.mean_advantage_correct_by_attempt[0]


def second_right(step: StepPoint) -> float | None:
    return second(step.mean_advantage_correct_by_attempt)


def second_factor(step: StepPoint) -> float | None:
    return second(step.factors)


def second(values: Sequence[float | None]) -> float | None:
    return values[1] if len(values) > 1 else None


def draw_steps(
    axes: Axes, series: list[list[float | None]], colour: str, style: str = "-", label: str | None = None
) -> None:
    """Mean over the cells that have a value at the step."""
    shortest = min(len(values) for values in series)
    table = np.array([values[:shortest] for values in series], dtype=np.float64)
    counted = np.isfinite(table).sum(axis=0)
    total = np.nansum(table, axis=0)
    mean = np.divide(total, counted, out=np.full(shortest, np.nan), where=counted > 0)
    axes.plot(np.arange(1, shortest + 1), mean, color=colour, linewidth=1.6, linestyle=style, label=label)


def decay_laboratory(cells: list[CellResult]) -> Figure:
    """One cell's batches under every rule: the factor, and the advantage of an assisted success."""
    made, panels = figure(2)
    for (rule, _), colour in zip(RULES.items(), PALETTE, strict=False):
        found = [signals(cell, rule) for cell in cells]
        draw_steps(panels[0], [[each.factor for each in series] for series in found], colour, label=rule)
        draw_steps(panels[1], [[each.later_success for each in series] for series in found], colour)
    panels[0].set_title("decay factor of a second attempt", loc="left")
    panels[1].set_title("mean advantage of an assisted success", loc="left")
    for axes in panels:
        axes.set_xlabel("step")
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return made


def save(made: Figure, path: Path) -> None:
    """Without a date or a version, so that equal results give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
