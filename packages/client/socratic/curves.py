"""Learning curves as a PNG: accuracies above, the decay factor below, over the same steps."""

from collections.abc import Sequence
from pathlib import Path

from contracts.records import EvaluationRecord, StepRecord
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by colour-blind readers; marks and line widths tell the same once more.
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
INCHES = (8.0, 6.0)
DOTS_PER_INCH = 150


def learning_curves(name: str, steps: Sequence[StepRecord], evaluations: Sequence[EvaluationRecord]) -> Figure:
    """Panels: unassisted and guided accuracy of batches (thin) and held-out questions (marked); decay factor mu."""
    figure = Figure(figsize=INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, decay = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    draw_accuracies(accuracy, steps, evaluations)
    accuracy.set_title(name, loc="left", fontweight="bold")
    decay.plot([record.step for record in steps], [record.decay_factor for record in steps], color=GREEN)
    decay.set_ylabel("decay factor μ")
    decay.set_xlabel("training step")
    for axes in (accuracy, decay):
        axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_accuracies(axes: Axes, steps: Sequence[StepRecord], evaluations: Sequence[EvaluationRecord]) -> None:
    """Guided above unassisted in the legend, as in the curves."""
    at_step = [record.step for record in steps]
    at_evaluation = [record.step for record in evaluations]
    for label, field, colour, mark in (
        ("guided", "guided_accuracy", VERMILION, "s"),
        ("unassisted", "unassisted_accuracy", BLUE, "o"),
    ):
        batch = [getattr(record, field) for record in steps]
        questions = [getattr(record, field) for record in evaluations]
        axes.plot(at_evaluation, questions, color=colour, marker=mark, linewidth=2, label=f"{label}, held-out")
        axes.plot(at_step, batch, color=colour, linewidth=0.9, alpha=0.6, label=f"{label}, training batch")
    axes.set_ylabel("accuracy")
    axes.legend(loc="lower right", frameon=False)


def save_curves(path: Path, name: str, steps: Sequence[StepRecord], evaluations: Sequence[EvaluationRecord]) -> None:
    """Write the PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    learning_curves(name, steps, evaluations).savefig(path, dpi=DOTS_PER_INCH)
