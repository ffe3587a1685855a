"""The learning rate of every arm, chosen by a rule that was fixed before the search."""

import json
from collections.abc import Sequence
from pathlib import Path

from study.analysis.curves import common, curve
from study.plan import Experiment, Plan, rate_arm
from study.records import CellResult

RULE = "the highest mean of the unassisted curve on validation questions over equal prompts; of equals the lower rate"
FILE_NAME = "learning_rates.json"


def chosen_rates(plan: Plan, results: Sequence[CellResult]) -> dict[str, dict[str, float]]:
    """By search and arm, of every search whose cells have all ended. Pure."""
    searches = [each for each in plan.experiments if each.learning_rates]
    return {each.name: choice(each, found) for each in searches if len(found := own(each, results)) == size(each)}


def own(search: Experiment, results: Sequence[CellResult]) -> list[CellResult]:
    """The results of a search."""
    return [result for result in results if result.experiment == search.name]


def size(search: Experiment) -> int:
    """How many cells a search has."""
    seeds = len(search.seeds) + len(search.more_seeds)
    return len(search.arms) * len(search.learning_rates) * len(search.students) * seeds


def choice(search: Experiment, results: Sequence[CellResult]) -> dict[str, float]:
    """RULE, for each arm."""
    means = rate_means(search, results)
    return {arm: max(sorted(search.learning_rates), key=lambda rate: means[rate_arm(arm, rate)]) for arm in search.arms}


def rate_means(search: Experiment, results: Sequence[CellResult]) -> dict[str, float]:
    """Mean of the curves by arm at a rate; a failed cell counts as 0, for a rate that breaks a run is no good one."""
    succeeded = [result for result in results if result.status == "succeeded"]
    prompts = common(succeeded, "prompts") if succeeded else 0.0
    found: dict[str, list[float]] = {}
    for result in results:
        mean = curve(result, "unassisted", "prompts").mean(prompts) if result.status == "succeeded" else 0.0
        found.setdefault(result.arm, []).append(mean)
    return {arm: sum(means) / len(means) for arm, means in found.items()}


def write_rates(plan: Plan, results: Sequence[CellResult], directory: Path) -> None:
    """Keep the chosen rates beside the results, for whoever reads them; they follow from these alone."""
    chosen = chosen_rates(plan, results)
    if chosen:
        means = {name: rate_means(plan.experiment(name), own(plan.experiment(name), results)) for name in chosen}
        content = {"rule": RULE, "chosen": chosen, "means": means}
        (directory / FILE_NAME).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
