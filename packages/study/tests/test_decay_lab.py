"""The laboratory against the paper's worked values (paper eqs 16-19, Figure 2)."""

import pytest
from study.decay_lab import batch_of, rule_summary, signals
from study.records import CellResult

from .makers import JOB, cell, training_step


def run_of(*outcomes: str, attempts: int = 3) -> CellResult:
    job = JOB | {"rollout": {"max_attempts": attempts, "group_size": 2}}
    return cell(
        "a",
        "s",
        0,
        [0.2],
        job=job,
        outcomes=list(outcomes),
        steps=[training_step(n + 1) for n, _ in enumerate(outcomes)],
    )


def test_outcomes_become_the_rows_that_were_made() -> None:
    """Episodes of two to a group; one that could not be completed has no row and leaves the groups of others alone."""
    rows = batch_of("1x03", attempts=3, group_size=2)
    assert rows.raw_RK.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert rows.made_RK.tolist() == [[True, False, False], [True, True, True], [True, True, True]]
    assert rows.group_R.tolist() == [0, 1, 1]
    with pytest.raises(ValueError):
        batch_of("1?", attempts=3, group_size=2)


def test_figure_2_of_the_paper() -> None:
    """Four rollouts, solved at the attempts 2, 3, 1, 3: mu_1 is 0.25."""
    (found,) = signals(run_of("2313"), "batch_mean")
    assert found.factor == pytest.approx(0.25)
    assert not found.cold


def test_a_cold_batch_and_one_in_which_decay_vanishes() -> None:
    found = rule_summary([run_of("2222", "1111111112", "2313")], "batch_mean")
    assert (found.batches, found.cold, found.vanished) == (3, 1, 1)
    assert found.factor == pytest.approx((0.0 + 0.9 + 0.25) / 3)


def test_a_floor_keeps_a_cold_batch_warm_and_none_pays_in_full() -> None:
    assert signals(run_of("2222"), "floor 0.1")[0].factor == pytest.approx(0.1)
    assert signals(run_of("2222"), "none")[0].factor == 1.0
    assert not signals(run_of("2222"), "floor 0.1")[0].cold


def test_ema_remembers_the_step_before() -> None:
    """A fifth of today's 0 and four fifths of yesterday's 0.25."""
    assert [each.factor for each in signals(run_of("2313", "2222"), "ema 0.2")] == pytest.approx([0.25, 0.2])


def test_advantages_by_kind_of_row() -> None:
    """Outcomes 1 and 2 with K = 2 under no decay: rewards 1, 0, 1 have mean 2/3 and standard deviation sqrt(2)/3."""
    (found,) = signals(run_of("12", attempts=2), "none")
    assert found.first_success == pytest.approx(1 / 2**0.5, abs=1e-5)
    assert found.later_success == pytest.approx(1 / 2**0.5, abs=1e-5)
    assert found.failure == pytest.approx(-(2**0.5), abs=1e-5)
    (decayed,) = signals(run_of("12", attempts=2), "batch_mean")  # rewards 1, 0, 1/2: the assisted one is the mean
    assert decayed.later_success == pytest.approx(0.0, abs=1e-9)
