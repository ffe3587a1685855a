"""What a user reads while a job runs."""

import io
import re

import pytest
from contracts.views import Progress
from rich.console import Console
from socratic.progress import duration, progress_line, progress_panel, rate, share

UNDER_WAY = Progress(
    step=7,
    steps=42,
    unassisted_accuracy=0.451,
    guided_accuracy=0.9,
    decay_factor=0.447,
    evaluation_step=6,
    evaluation_unassisted_accuracy=0.4,
    evaluation_guided_accuracy=0.88,
    episodes_per_second=118.2,
    tokens_per_second=2145.0,
    seconds_left=83.2,
    cold_batches=1,
)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (83.2, "1:23"), (3599.6, "1:00:00"), (None, "-")])
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2145.0, "2,145"), (10.0, "10"), (9.96, "10.0"), (0.5, "0.5"), (None, "-")]
)
def test_rates(value: float | None, text: str) -> None:
    assert rate(value) == text


def test_unknown_accuracies_are_dashes() -> None:
    assert (share(None), share(0.0)) == ("-", "0.00")


def test_the_line_says_everything(make_job) -> None:
    job = make_job(progress=UNDER_WAY, wait_reason="rollout: 120 of 192 episodes of step 8")
    assert progress_line(job) == (
        "step 7/42 | unassisted 0.45 | guided 0.90 | mu 0.45 | held-out 0.40 / 0.88 at step 6 | 118 episodes/s | "
        "2,145 tokens/s | left 1:23 | rollout: 120 of 192 episodes of step 8"
    )


def test_a_job_that_waits_in_line_says_so(make_job) -> None:
    assert progress_line(make_job(status="queued")).endswith("left - | queued")


def test_the_panel_says_everything(make_job) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(progress_panel(make_job(progress=UNDER_WAY, wait_reason="trainer: updating on step 8"), 61))
    lines = [line.strip("│ ") for line in console.export_text().splitlines()]
    assert [re.split("  +", line) for line in lines[2:-1]] == [
        ["step", "7 of 42", "time", "1:01, left 1:23"],
        ["unassisted", "0.45", "guided", "0.90"],
        ["decay factor mu", "0.45", "held-out, both", "0.40 / 0.88 at step 6"],
        ["episodes/s", "118", "tokens/s", "2,145"],
        ["trainer: updating on step 8, 1 cold batches"],
    ]
