"""Curves as text, by hand."""

from contracts.views import Series
from socratic.sparklines import as_csv, curve_row, sparkline


def series(*values: float | None) -> Series:
    return Series(steps=list(range(1, len(values) + 1)), values=list(values))


def test_the_lowest_is_the_lowest_block_and_a_gap_stays_one() -> None:
    assert sparkline(series(0, 1, 2, 3, 4, 5, 6, 7)) == "▁▂▃▄▅▆▇█"
    assert sparkline(series(3, None, 10)) == "▁ █"
    assert sparkline(series(2, 2)) == "▁▁"
    assert sparkline(series()) == sparkline(series(None)).strip() == ""


def test_more_points_than_columns_are_averaged() -> None:
    assert sparkline(series(0, 2, 4, 6, 8, 10), width=2) == "▁█"
    assert len(sparkline(series(*range(1000)), width=40)) == 40


def test_a_row_has_lowest_highest_and_last() -> None:
    assert curve_row("loss", series(0.5, None, 0.25, 0.375)) == ["loss", "█ ▁▅", "0.25", "0.5", "0.375"]
    assert curve_row("loss", series(None)) == ["loss", " ", "-", "-", "-"]


def test_csv_has_a_line_a_step_and_nothing_where_there_is_no_point() -> None:
    curves = {"loss": series(0.5, None), "evaluation.x": Series(steps=[0, 2], values=[0.1, 1.0])}
    assert as_csv(curves) == "step,loss,evaluation.x\n0,,0.1\n1,0.5,\n2,,1.0\n"
