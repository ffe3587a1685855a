"""The rule by which a search chooses learning rates."""

import json

from study.rates import chosen_rates, write_rates

from .makers import cell
from .test_plan import plan_of


def searched(rate, accuracies, **others):
    arm = f"socratic_po@{rate}"
    return cell(arm, "base-0", 100, accuracies, experiment="search", cell=f"search/{arm}/base-0/seed-100", **others)


def test_the_best_mean_of_the_curve_wins_not_the_best_end():
    early, late = searched("0.0002", [0.3, 0.7, 0.8]), searched("0.0004", [0.3, 0.4, 0.9])
    assert chosen_rates(plan_of(), [early, late]) == {"search": {"socratic_po": 2e-4}}


def test_an_unfinished_search_chooses_nothing():
    assert chosen_rates(plan_of(), [searched("0.0002", [0.3, 0.7])]) == {}


def test_a_rate_that_broke_its_run_loses_and_equals_go_to_the_lower_rate():
    broken = searched("0.0002", [], status="failed", steps=[])
    assert chosen_rates(plan_of(), [broken, searched("0.0004", [0.1, 0.1])])["search"] == {"socratic_po": 4e-4}
    equal = [searched(rate, [0.3, 0.5]) for rate in ("0.0004", "0.0002")]
    assert chosen_rates(plan_of(), equal)["search"] == {"socratic_po": 2e-4}


def test_the_choice_is_kept_beside_the_results(tmp_path):
    write_rates(plan_of(), [searched("0.0002", [0.3, 0.5]), searched("0.0004", [0.3, 0.7])], tmp_path)
    kept = json.loads((tmp_path / "learning_rates.json").read_text())
    assert kept["chosen"] == {"search": {"socratic_po": 4e-4}}
    assert kept["means"]["search"] == {"socratic_po@0.0002": 0.4, "socratic_po@0.0004": 0.5}
