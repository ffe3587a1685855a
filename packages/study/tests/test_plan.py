"""What a plan's cells are, and in which order they run."""

from typing import Any

import pytest
from contracts.clones import merge_patch
from pydantic import ValidationError
from study.plan import Plan, cells

CONTENT: dict[str, Any] = {
    "name": "small",
    "job": {"task": {"name": "materials"}, "training": {"steps": 3, "learning_rate": 1e-4}},
    "students": {"base-0": {"model": "models/a"}, "base-1": {"model": "models/b"}},
    "experiments": [
        {
            "name": "main",
            "priority": 2,
            "question": "Which?",
            "hypothesis": "The first.",
            "compare_with": "socratic_po",
            "rates_from": "search",
            "arms": {
                "socratic_po": {"label": "SocraticPO", "job": {"method": {"name": "socratic_po"}}},
                "late": {
                    "label": "w/o decay",
                    "rate_of": "socratic_po",
                    "job": {"method": {"name": "socratic_po", "decay": "none"}},
                },
            },
            "students": ["base-0", "base-1"],
            "seeds": [0, 1],
        },
        {
            "name": "search",
            "priority": 1,
            "question": "Which rate?",
            "hypothesis": "None.",
            "learning_rates": [2e-4, 4e-4],
            "arms": {"socratic_po": {"label": "SocraticPO", "job": {"method": {"name": "socratic_po"}}}},
            "students": ["base-0"],
            "seeds": [100],
        },
    ],
}


def plan_of(**patch: Any) -> Plan:
    return Plan.model_validate(merge_patch(CONTENT, patch))


def test_cells_run_by_priority_and_every_arm_once_before_any_arm_twice() -> None:
    assert [cell.id for cell in cells(plan_of(), {})] == [
        "search/socratic_po@0.0002/base-0/seed-100",
        "search/socratic_po@0.0004/base-0/seed-100",
        "main/socratic_po/base-0/seed-0",
        "main/late/base-0/seed-0",
        "main/socratic_po/base-1/seed-0",
        "main/late/base-1/seed-0",
        "main/socratic_po/base-0/seed-1",
        "main/late/base-0/seed-1",
        "main/socratic_po/base-1/seed-1",
        "main/late/base-1/seed-1",
    ]


def test_equal_priorities_take_turns_by_seed_and_later_seeds_wait() -> None:
    main, search = CONTENT["experiments"]
    arms = {"arms": {"late": None}, "students": ["base-0"], "rates_from": None}
    first = merge_patch(main, arms | {"seeds": [0, 1], "more_seeds": [2], "more_priority": 3})
    second = merge_patch(main, arms | {"name": "why", "seeds": [0, 1]})
    planned = cells(plan_of(experiments=[first, second, search]), {})
    assert [(cell.experiment, cell.seed) for cell in planned][2:] == [
        ("main", 0),
        ("why", 0),
        ("main", 1),
        ("why", 1),
        ("main", 2),
    ]


def test_a_cell_waits_for_its_learning_rate_and_takes_the_chosen_one() -> None:
    waiting = cells(plan_of(), {})[3]
    assert (waiting.awaits, waiting.job.training.learning_rate) == ("search", 1e-4)
    chosen = cells(plan_of(), {"search": {"socratic_po": 4e-4}})[3]
    assert (chosen.awaits, chosen.job.training.learning_rate) == (None, 4e-4)
    assert chosen.job.method.model_dump()["decay"] == "none"
    assert chosen.fingerprint != waiting.fingerprint


def test_the_fingerprint_tells_jobs_and_students_apart_but_not_names() -> None:
    before = {cell.id: cell.fingerprint for cell in cells(plan_of(), {})}
    assert len(set(before.values())) == len(before)
    renamed = {cell.id: cell.fingerprint for cell in cells(plan_of(name="other"), {})}
    assert renamed == before
    for patch in ({"job": {"training": {"steps": 4}}}, {"students": {"base-0": {"make": ["materials"]}}}):
        after = {cell.id: cell.fingerprint for cell in cells(plan_of(**patch), {})}
        assert after["main/late/base-0/seed-0"] != before["main/late/base-0/seed-0"]


def test_the_fingerprint_tells_local_teachers_apart_and_none_from_the_unused() -> None:
    def of(local_teacher: str | None, teacher: str) -> str:
        experiments = [
            merge_patch(CONTENT["experiments"][0], {"local_teacher": local_teacher}),
            CONTENT["experiments"][1],
        ]
        plan = plan_of(teachers={"wise": {"model": teacher}}, experiments=experiments)
        return {cell.id: cell.fingerprint for cell in cells(plan, {})}["main/late/base-0/seed-0"]

    assert (
        of(None, "models/t") == {cell.id: cell.fingerprint for cell in cells(plan_of(), {})}["main/late/base-0/seed-0"]
    )
    assert len({of(None, "models/t"), of("wise", "models/t"), of("wise", "models/u")}) == 3


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"compare_with": "grpo"}, "compare_with grpo is no arm"),
        ({"students": ["base-7"]}, "no students ['base-7']"),
        ({"local_teacher": "nobody"}, "local_teacher nobody is no teacher"),
        ({"rates_from": "main"}, "rates_from main is no search"),
        ({"learning_rates": [1e-4]}, "not both"),
        ({"arms": {"late": {"rate_of": None}}}, "set rate_of"),
    ],
)
def test_a_plan_whose_names_lead_nowhere_is_refused(patch: dict[str, Any], message: str) -> None:
    main, search = CONTENT["experiments"]
    with pytest.raises(ValidationError, match=message.replace("[", r"\[")):
        plan_of(experiments=[merge_patch(main, patch), search])
