"""Learning rates, by hand."""

import pytest
from contracts.jobs import TrainingSpec
from trainer.schedules import learning_rate_of


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, 0.8535533906, 0.5, 0.1464466094]),
    ],
)
def test_warm_up_then_the_schedule(schedule: str, expected: list[float]) -> None:
    """Three steps of two updates; two updates of warm-up, four under the schedule."""
    spec = TrainingSpec(steps=3, minibatches=2, learning_rate=1.0, warmup_steps=2, schedule=schedule)
    assert [learning_rate_of(spec, updates) for updates in range(6)] == pytest.approx(expected)


def test_epochs_are_updates_too() -> None:
    spec = TrainingSpec(steps=3, epochs=2, learning_rate=1.0, warmup_steps=2, schedule="linear")
    assert [learning_rate_of(spec, updates) for updates in range(2, 6)] == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_it_never_goes_below_zero_or_divides_by_it() -> None:
    spec = TrainingSpec(steps=2, learning_rate=1.0, warmup_steps=2, schedule="linear")
    assert learning_rate_of(spec, 5) == 0.0
    assert learning_rate_of(spec.model_copy(update={"warmup_steps": 0}), 0) == 1.0
