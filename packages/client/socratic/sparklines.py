"""Curves as text: a line of blocks for people, CSV for programs. Pure."""

import csv
import io
import itertools
from collections.abc import Mapping

from contracts.views import Series

BLOCKS = "▁▂▃▄▅▆▇█"
# Fits beside a name and three numbers on a terminal of 100 columns.
WIDTH = 40


def sparkline(series: Series, width: int = WIDTH) -> str:
    """One block a point, or the mean of neighbours where there are more points than `width`; a gap where all are null.

    The lowest value is the lowest block, the highest the highest one; a constant is a flat line.
    """
    groups = min(width, len(series.values))
    bounds = [index * len(series.values) // groups for index in range(groups + 1)] if groups else []
    parts = [series.values[start:end] for start, end in itertools.pairwise(bounds)]
    known = [[value for value in part if value is not None] for part in parts]
    means = [sum(part) / len(part) if part else None for part in known]
    heights = [mean for mean in means if mean is not None]
    low, high = min(heights, default=0.0), max(heights, default=0.0)
    return "".join(" " if mean is None else block(mean, low, high) for mean in means)


def block(value: float, low: float, high: float) -> str:
    """The block of a value between the lowest and the highest."""
    share = (value - low) / (high - low) if high > low else 0.0
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]


def curve_row(name: str, series: Series) -> list[str]:
    """Name, line, lowest, highest and last value."""
    known = [value for value in series.values if value is not None]
    figures = [f"{value:.4g}" for value in (min(known), max(known), known[-1])] if known else ["-"] * 3
    return [name, sparkline(series), *figures]


def as_csv(curves: Mapping[str, Series]) -> str:
    """A line a step, a column a curve; empty where a curve has no point there."""
    columns = {name: dict(zip(series.steps, series.values, strict=True)) for name, series in curves.items()}
    steps = sorted({step for points in columns.values() for step in points})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *columns])
    for step in steps:
        found = [points.get(step) for points in columns.values()]
        writer.writerow([step, *("" if value is None else value for value in found)])
    return text.getvalue()
