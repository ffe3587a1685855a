"""Numbers and tables as Markdown. Pure."""

from collections.abc import Iterable, Sequence

from study.analysis.compare import Difference, Summary

ABSENT = "–"
SHARES = 3  # decimals of an accuracy: a held-out set of 240 questions resolves 0.004


def number(value: float | None, decimals: int = SHARES) -> str:
    """Large numbers are rounded to whole ones."""
    if value is None:
        return ABSENT
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{decimals}f}"


def spread(found: Summary, decimals: int = SHARES) -> str:
    """Mean and sample standard deviation, and how many cells had no value."""
    if found.mean is None:
        return f"never ({found.missing})" if found.missing else ABSENT
    text = number(found.mean, decimals)
    if found.deviation is not None:
        text += f" ± {number(found.deviation, decimals)}"
    return text + (f" (not in {found.missing})" if found.missing else "")


def gap(found: Difference | None) -> str:
    """Mean paired difference, its interval, how often the arm won; bold where the interval leaves 0 out."""
    if found is None:
        return ABSENT
    text = f"{found.mean:+.{SHARES}f}"
    if found.interval is not None:
        text += f" [{found.interval[0]:+.{SHARES}f}, {found.interval[1]:+.{SHARES}f}]"
    if found.told_apart:
        text = f"**{text}**"
    return f"{text}, {found.wins} of {found.pairs}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column left, the others right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [header, rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
