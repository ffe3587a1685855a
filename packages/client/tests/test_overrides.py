"""`--set` by hand."""

import pytest
from contracts.errors import Problem
from socratic.overrides import overrides_of


def test_settings_become_a_merge_patch() -> None:
    given = ["name=a longer one", "training.steps=200", "training.learning_rate=4e-4", "training.lora=null"]
    assert overrides_of([*given, "training.betas=[0.9, 0.99]", "evaluation.greedy=true", 'task.name="x=y"']) == {
        "name": "a longer one",
        "training": {"steps": 200, "learning_rate": 0.0004, "lora": None, "betas": [0.9, 0.99]},
        "evaluation": {"greedy": True},
        "task": {"name": "x=y"},
    }


@pytest.mark.parametrize("settings", [["steps"], ["=1"], ["a..b=1"], ["a=1", "a.b=2"], ["a={"]])
def test_what_is_no_setting_is_refused_by_name(settings: list[str]) -> None:
    with pytest.raises(Problem, match="--set") as caught:
        overrides_of(settings)
    assert settings[-1] in caught.value.detail
