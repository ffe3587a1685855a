"""A pause does not wait for the decode step under way: it is given up between two layers, and done again."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from student_inference.model import Model
from student_inference.request import Request
from torch import Tensor

from .conftest import StartEngine
from .local import WAIT_SECONDS, LocalEngine, params

PROMPTS = [[5, 6], [7] * 20, list(range(2, 40))]
SAMPLED = params(max_new_tokens=30, temperature=1.0, seed=5)
STEP = 9


class Halting(Model):
    """Waits before the second layer of one decode step until the engine is told to pause."""

    def __init__(self, model: Model) -> None:
        self.__dict__.update(model.__dict__)
        self.steps = 0
        self.inside, self.told = threading.Event(), threading.Event()

    def forward(self, *arguments: Any, given_up: Callable[[], bool] = lambda: False, **options: Any) -> Tensor:
        self.steps += "newest" not in options
        layers = 0

        def halting() -> bool:
            nonlocal layers
            layers += 1
            if self.steps == STEP and layers == 2:
                self.inside.set()
                self.told.wait(WAIT_SECONDS)
            return given_up()

        return super().forward(*arguments, given_up=halting, **options)


def submitted(engine: LocalEngine) -> list[Request]:
    """All in one batch, whatever the machine does."""
    engine.command(lambda: engine.engine.pause("in_place"))
    requests = [engine.submit(prompt, SAMPLED) for prompt in PROMPTS]
    engine.command(engine.engine.resume)
    return requests


@pytest.mark.parametrize("mode", ["retract", "in_place"])
def test_a_pause_in_mid_step_changes_no_token(student: Path, start_engine: StartEngine, mode: str) -> None:
    undisturbed = start_engine(student)
    expected = submitted(undisturbed)
    undisturbed.wait(len(PROMPTS))
    engine = start_engine(student)
    model = engine.engine.model = Halting(engine.engine.model)
    requests = submitted(engine)
    assert model.inside.wait(WAIT_SECONDS)
    before = [len(request.output) for request in requests]
    pausing = engine.engine.run(lambda: engine.engine.pause(mode), at_once=True)
    model.told.set()
    pausing.result(WAIT_SECONDS)
    assert [len(request.output) for request in requests] == before
    engine.command(engine.engine.resume)
    engine.wait(len(PROMPTS))
    assert [request.output for request in requests] == [request.output for request in expected]
