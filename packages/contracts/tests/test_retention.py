"""The rules by which checkpoints are kept."""

import pytest
from contracts.jobs import EvaluationSpec, JobSpec, StudentSpec, TaskSpec, TrainingSpec
from contracts.retention import Rule, kept_by

ACCURACIES = {0: 0.3, 4: 0.5, 8: 0.9, 12: 0.9, 16: 0.6}


def rules(keep_last: int, keep_best: int, keep_every: int, accuracies: dict[int, float]) -> dict[int, list[Rule]]:
    spec = JobSpec(
        name="kept",
        student=StudentSpec(model="student"),
        task=TaskSpec(name="materials"),
        training=TrainingSpec(steps=20, keep_last=keep_last, keep_best=keep_best, keep_every=keep_every),
        evaluation=EvaluationSpec(every=4),
    )
    return {step: kept for step, kept in kept_by(spec, range(2, 19, 2), accuracies).items() if kept}


@pytest.mark.parametrize(
    ("last", "best", "every", "kept"),
    [
        (2, 0, 0, {16: ["last"], 18: ["last"]}),
        (1, 1, 0, {8: ["best"], 18: ["last"]}),  # 8 and 12 are equal: the older one stays
        (1, 2, 0, {8: ["best"], 12: ["best"], 18: ["last"]}),
        (1, 0, 6, {6: ["every"], 12: ["every"], 18: ["last", "every"]}),
        (2, 3, 8, {8: ["best", "every"], 12: ["best"], 16: ["last", "best", "every"], 18: ["last"]}),
    ],
)
def test_by_hand(last: int, best: int, every: int, kept: dict[int, list[Rule]]) -> None:
    assert rules(last, best, every, ACCURACIES) == kept


def test_what_may_become_the_best_waits_for_its_evaluation() -> None:
    found = rules(1, 1, 0, {0: 0.3, 4: 0.5, 8: 0.4})
    assert found == {4: ["best"], 12: ["awaiting_evaluation"], 16: ["awaiting_evaluation"], 18: ["last"]}
    assert rules(1, 0, 0, {}) == {18: ["last"]}
