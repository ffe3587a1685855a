"""What a check found, and how to mend it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]
STATES: tuple[State, ...] = ("ok", "warning", "failed", "skipped")


@dataclass(frozen=True)
class Finding:
    """One line of the report. `fix` says what to do; nothing where nothing is to do."""

    check: str
    state: State
    detail: str
    fix: str = ""


def summary(findings: list[Finding]) -> str:
    """The line for scripts: `doctor: 9 ok, 1 warning, 0 failed, 2 skipped`."""
    counts = [f"{sum(finding.state == state for finding in findings)} {state}" for state in STATES]
    return f"doctor: {', '.join(counts)}"
