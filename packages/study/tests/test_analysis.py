"""Curves, measures and paired differences against values worked out by hand or by another way of counting."""

from itertools import product

import numpy as np
import pytest
from study.analysis.compare import difference, summary
from study.analysis.curves import common, curve
from study.analysis.measures import Measure, measures

from .makers import cell, evaluation, training_step

FIRST = Measure("first", "first", lambda result: result.evaluations[0].unassisted)


def test_a_curve_is_read_between_its_points() -> None:
    read = curve(cell("a", "s", 0, [0.2, 0.6, 0.4]), "unassisted", "prompts")
    assert read.at(5) == pytest.approx(0.4)
    assert read.at(15) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="ends at 20"):
        read.at(20.5)


def test_the_mean_of_a_curve_is_the_area_of_its_trapezia() -> None:
    read = curve(cell("a", "s", 0, [0.2, 0.6, 0.4]), "unassisted", "prompts")
    assert read.mean(20) == pytest.approx((0.4 + 0.5) / 2)
    assert read.mean(15) == pytest.approx((0.4 * 10 + 0.55 * 5) / 15)


def test_a_threshold_is_reached_between_two_evaluations_or_never() -> None:
    read = curve(cell("a", "s", 0, [0.2, 0.6, 0.4]), "unassisted", "prompts")
    assert read.first_reaching(0.5) == pytest.approx(7.5)
    assert read.first_reaching(0.2) == 0.0
    assert read.first_reaching(0.6) == 10.0
    assert read.first_reaching(0.7) is None


def test_without_a_greedy_answer_unassisted_is_the_mean_of_the_samples() -> None:
    sampled = cell("a", "s", 0, [], evaluations=[evaluation(0, None, 0), evaluation(1, 0.9, 100)])
    assert curve(sampled, "unassisted", "prompts").accuracy_E.tolist() == [0.5, 0.9]


def test_equal_tokens_end_where_the_thriftiest_cell_ended() -> None:
    """Arm b spends twice as much a step: at 200 tokens it is at its first evaluation."""
    cells = [cell("a", "s", 0, [0.2, 0.4, 0.8], tokens=100), cell("b", "s", 0, [0.2, 0.6, 1.0], tokens=200)]
    assert common(cells, "student_tokens") == 200
    found = measures(cells)
    assert found["unassisted"].of(cells[1]) == pytest.approx(1.0)
    assert found["unassisted_tokens"].of(cells[1]) == pytest.approx(0.6)
    assert found["curve_tokens"].of(cells[1]) == pytest.approx(0.4)
    assert found["curve_tokens"].of(cells[0]) == pytest.approx((0.3 + 0.6) / 2)


def test_teacher_calls_are_counted_by_solved_episode() -> None:
    steps = [training_step(1), training_step(2, teacher_calls=4, solved_first=1, solved_guided=0)]
    result = cell("a", "s", 0, [0.2, 0.4], steps=steps)
    assert measures([result])["calls_per_solved"].of(result) == pytest.approx(6 / 4)
    assert measures([result])["cost"].of(result) == pytest.approx(0.5)


def test_a_leak_rate_is_of_the_steps_that_judged() -> None:
    steps = [training_step(1, leak_rate=0.6), training_step(2), training_step(3, leak_rate=0.0)]
    result = cell("a", "s", 0, [0.2, 0.4], steps=steps)
    assert measures([result])["leak_rate"].of(result) == pytest.approx(0.3)
    assert measures([result])["teacher_kl"].of(result) is None


def test_a_summary_counts_the_cells_without_a_value() -> None:
    cells = [cell("a", "s", seed, values) for seed, values in enumerate([[0.2, 0.7], [0.2, 0.5], [0.2, 0.9]])]
    found = summary(cells, measures(cells)["prompts_to_threshold"])
    # 0.6 lies at 8/10 of the way from 0.2 to 0.7, at 4/7 from 0.2 to 0.9, and beyond 0.5.
    assert found.mean == pytest.approx((8 + 40 / 7) / 2)
    assert (found.n, found.missing) == (2, 1)
    assert found.deviation == pytest.approx(abs(8 - 40 / 7) / 2**0.5)


def test_differences_are_paired_by_student_and_seed() -> None:
    """The reference comes in another order and has a cell more; unpaired means would say 0.05."""
    arm = [cell("a", "s", 0, [0.5]), cell("a", "s", 1, [0.4]), cell("a", "t", 0, [0.9])]
    reference = [cell("b", "t", 0, [0.7]), cell("b", "s", 1, [0.5]), cell("b", "s", 0, [0.2]), cell("b", "t", 9, [0.8])]
    found = difference(arm, reference, FIRST)
    assert found is not None
    assert found.mean == pytest.approx((0.3 - 0.1 + 0.2) / 3)
    assert (found.pairs, found.wins, found.interval) == (3, 2, None)
    assert found.by_student == {"s": pytest.approx(0.1), "t": pytest.approx(0.2)}
    assert difference(arm[:1], reference[:1], FIRST) is None
    itself = difference(arm, arm, FIRST)
    assert itself is not None
    assert itself.wins == 0


def test_the_interval_is_that_of_all_possible_resamples() -> None:
    """Five pairs have 5**5 resamples: their exact percentiles, against the 10,000 drawn ones."""
    gaps = [0.1, -0.2, 0.3, 0.25, 0.05]
    arm = [cell("a", "s", seed, [0.5 + gap]) for seed, gap in enumerate(gaps)]
    reference = [cell("b", "s", seed, [0.5]) for seed in range(5)]
    exact = np.percentile([np.mean(drawn) for drawn in product(gaps, repeat=5)], [2.5, 97.5])
    found = difference(arm, reference, FIRST)
    assert found is not None
    assert found.interval == pytest.approx(exact, abs=0.011)
    assert found == difference(arm, reference, FIRST)
    assert not found.told_apart
