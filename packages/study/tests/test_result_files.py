"""Results on disk: whole lines only, and never of two plans."""

import pytest
from contracts.errors import Problem
from study.plan import cells
from study.result_files import append_result, check_unchanged, read_results, sole_writer

from .makers import cell
from .test_plan import plan_of


def test_the_last_result_of_a_cell_counts(tmp_path):
    append_result(tmp_path, cell("grpo", "base-0", 0, [], status="failed", reason="no"))
    append_result(tmp_path, cell("grpo", "base-0", 1, [0.5]))
    append_result(tmp_path, again := cell("grpo", "base-0", 0, [0.25, 0.75]))
    assert {each.cell: each for each in read_results(tmp_path, "small")}[again.cell] == again
    assert len((tmp_path / "main.jsonl").read_text().splitlines()) == 3


def test_what_a_crash_cut_off_counts_as_not_run_and_is_overwritten(tmp_path):
    append_result(tmp_path, first := cell("grpo", "base-0", 0, [0.5]))
    path = tmp_path / "main.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:-20])
    assert read_results(tmp_path, "small") == [first]
    append_result(tmp_path, second := cell("grpo", "base-0", 1, [0.5]))
    assert read_results(tmp_path, "small") == [first, second]


def test_results_of_another_plan_are_refused(tmp_path):
    append_result(tmp_path, cell("grpo", "base-0", 0, [0.5], plan="full"))
    with pytest.raises(Problem, match=r"main.jsonl:1 is of the plan full, not small; give each plan its own --results"):
        read_results(tmp_path, "small")


def test_a_line_that_is_no_result_is_named(tmp_path):
    (tmp_path / "main.jsonl").write_text('{"plan": "small"}\n')
    with pytest.raises(Problem, match=r"main.jsonl:1 is no result \(cell: Field required\); remove the line"):
        read_results(tmp_path, "small")


def test_a_changed_plan_refuses_its_old_results(tmp_path):
    planned = cells(plan_of(), {"search": {"socratic_po": 4e-4}})
    (ran,) = [each for each in planned if each.id == "main/late/base-0/seed-1"]
    result = cell("late", "base-0", 1, [0.5], fingerprint=ran.fingerprint)
    check_unchanged(planned, [result], tmp_path)
    other_rate = cells(plan_of(), {"search": {"socratic_po": 2e-4}})
    with pytest.raises(Problem, match=r"changed since main/late/base-0/seed-1 ran.*move the experiment's file out of"):
        check_unchanged(other_rate, [result], tmp_path)


def test_a_second_run_on_the_same_results_is_refused(tmp_path):
    with sole_writer(tmp_path), pytest.raises(Problem, match="Another study run writes to"), sole_writer(tmp_path):
        pass
    with sole_writer(tmp_path):
        pass
