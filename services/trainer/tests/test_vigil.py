"""Replicas are watched in the middle of an update, which stays the same to the bit, whatever is seen meanwhile."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis
import torch
from contracts import keys
from torch import Tensor
from trainer import vigil as vigil_module
from trainer.crew import SOLO
from trainer.failures import JobFailure, JobStopped
from trainer.lesson import learn, prepare
from trainer.stopwatch import Stopwatch
from trainer.store import Store
from trainer.vigil import Vigil

from .makers import JOB, episodes_of_step, spec_of
from .rig import put_job, seat

BUDGET = 64  # tokens: many micro-batches


@pytest.fixture
def vigil(client: "redis.Redis", student: Path, monkeypatch: pytest.MonkeyPatch) -> Vigil:
    """Of a running job; it looks whenever it may."""
    monkeypatch.setattr(vigil_module, "LOOK_SECONDS", 0.0)
    put_job(client, spec_of(student.name))
    seat(client, JOB)
    store = Store(client)
    return Vigil(store, store.job(JOB), threading.Event())


def weights_after_an_update(student: Path, vigil: Vigil, also: Callable[[], None]) -> dict[str, Tensor]:
    spec = spec_of(student.name, tokens_per_microbatch=BUDGET)
    learner = prepare(spec, [student.parent], SOLO, partial(vigil.measure, Stopwatch()))
    vigil.also = [also]
    learn(learner, spec.method, 1, episodes_of_step(1), {})
    return learner.policy.weights()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_looks_between_micro_batches(student: Path, vigil: Vigil) -> None:
    looks: list[None] = []
    weights_after_an_update(student, vigil, lambda: looks.append(None))
    # Each of the twelve episodes is longer than half of a micro-batch: forward and backward of six at least.
    assert len(looks) >= 12
    vigil.check()


def test_what_it_sees_ends_the_job_after_the_update_and_not_in_it(student: Path, vigil: Vigil) -> None:
    whole = weights_after_an_update(student, vigil, lambda: None)

    def deserted() -> None:
        raise JobFailure("engine_unreachable", "nobody is left")

    assert same(weights_after_an_update(student, vigil, deserted), whole)
    with pytest.raises(JobFailure, match="nobody is left"):
        vigil.check()


def test_a_job_that_was_stopped_in_an_update_ends_after_it(student: Path, vigil: Vigil, client: "redis.Redis") -> None:
    client.hset(keys.job(JOB), "status", "cancelled")
    weights_after_an_update(student, vigil, lambda: None)
    with pytest.raises(JobStopped):
        vigil.check()
