"""Who is computed first, and with whom."""

from pathlib import Path
from typing import Any

from student_inference.request import Request
from student_inference.scheduler import prefill_groups
from torch import Tensor

from .conftest import StartEngine
from .local import params
from .test_engine import LONG, when


def test_retracted_requests_go_on_with_the_shortest(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    requests = [engine.submit([token] * length, LONG) for token, length in ((5, 40), (6, 10), (7, 20))]
    when(engine, 1, requests[0])
    engine.command(lambda: engine.engine.pause("retract"))
    assert [len(request.prompt) for request in engine.engine.scheduler.waiting] == [10, 20, 40]


def test_a_group_speaks_before_the_next_is_computed(student: Path, start_engine: StartEngine) -> None:
    """Prompts of so different lengths are not padded to one."""
    engine = start_engine(student)
    forward, told = engine.engine.model.forward, engine.told

    def heard(*arguments: Any, **options: Any) -> Tensor:
        told.append(["computed"])
        return forward(*arguments, **options)

    engine.engine.model.forward = heard  # type: ignore[method-assign]
    fields = {"params": params(max_new_tokens=2), "streamed": True}
    requests = [Request(name, prompt, **fields) for name, prompt in (("long", [3] * 100), ("short", [4] * 5))]  # type: ignore[arg-type]
    engine.command(lambda: engine.engine.scheduler.waiting.extend(requests))
    engine.wait(2)
    assert told[:4] == [["computed"], ["short"], ["computed"], ["long"]]


def test_what_is_computed_anew_comes_in_smaller_groups() -> None:
    """Its clients wait in mid-answer, those of new requests do not."""
    requests = [Request(str(number), [5] * 100, params()) for number in range(20)]
    assert [len(group) for group in prefill_groups(requests, 2048)] == [20]
    for request in requests:
        request.retractions = 1
    assert [len(group) for group in prefill_groups(requests, 2048)] == [5, 5, 5, 5]
    assert [len(group) for group in prefill_groups(requests, 300)] == [3, 3, 3, 3, 3, 3, 2]
