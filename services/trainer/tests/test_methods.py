"""The learning rules annotate tokens; every job's method is registered."""

import random
from typing import get_args

import numpy as np
import pytest
from contracts.episodes import Failure
from contracts.methods import Method, ReinforcePP, SocraticPO
from trainer.batch import assemble
from trainer.failures import JobFailure
from trainer.methods import METHODS, annotate

from .makers import episode, episodes_of_step

RNG = random.Random(0)


def test_every_method_of_the_contract_is_registered() -> None:
    specs = get_args(get_args(Method)[0])
    assert {spec().name for spec in specs} == set(METHODS)


def test_only_student_tokens_carry_advantages_and_each_those_of_its_attempt() -> None:
    batch = assemble(1, [episode(RNG, [0.0, 1.0]), episode(RNG, [1.0], sample=1), episode(RNG, [0.0, 0.0], sample=2)])
    annotation = annotate(batch, SocraticPO())
    for trajectory, advantages in zip(batch.trajectories, annotation.advantages_RT, strict=True):
        attempt = np.asarray(trajectory.attempt_T)
        assert not advantages[attempt == 0].any()
        for k in range(1, max(attempt) + 1):
            assert len(set(advantages[attempt == k])) == 1
    rows = np.array([1 / 3, 1.0, 0, 0, 0])  # mu_1 = 1/3
    expected = (rows - rows.mean()) / (rows.std() + 1e-6)
    assert annotation.factors[1] == 1 / 3
    assert annotation.advantages_RT[0][-1] == pytest.approx(expected[0], rel=1e-12)
    assert annotation.advantages_RT[1][-1] == pytest.approx(expected[1], rel=1e-12)
    assert annotation.advantages_RT[2][-1] == pytest.approx(expected[2], rel=1e-12)


def test_ablation_without_decay_pays_late_successes_in_full() -> None:
    batch = assemble(1, [episode(RNG, [0.0, 1.0]), episode(RNG, [1.0], sample=1)])
    advantages = annotate(batch, SocraticPO(decay="none")).advantages_RT
    assert advantages[0][-1] == advantages[1][-1] > 0


def test_reinforce_normalises_raw_rewards_over_the_global_batch() -> None:
    batch = assemble(1, [episode(RNG, [reward], sample=sample) for sample, reward in enumerate([1.0, 0.0, 0.0, 0.0])])
    annotation = annotate(batch, ReinforcePP())
    last = [advantages[-1] for advantages in annotation.advantages_RT]
    spread = np.sqrt(3) / 4 + 1e-6
    assert last == pytest.approx([0.75 / spread] + [-0.25 / spread] * 3, rel=1e-12)


@pytest.mark.parametrize(("shape", "cold"), [([0.0, 0.0], True), ([0.0, 1.0], True), ([1.0], False)])
def test_batches_without_gradient_say_so(shape: list[float], cold: bool) -> None:
    batch = assemble(1, [episode(RNG, shape, sample=sample) for sample in range(3)])
    annotation = annotate(batch, SocraticPO())
    assert annotation.zero_gradient
    assert annotation.cold is cold


def test_a_normal_batch_has_a_gradient() -> None:
    annotation = annotate(assemble(1, episodes_of_step(1)), SocraticPO())
    assert not annotation.zero_gradient
    assert not annotation.cold


def test_recorded_failures_are_counted_and_left_out() -> None:
    broken = episode(RNG, [], sample=1, failure=Failure(code="deadline", detail="too late"))
    batch = assemble(1, [episode(RNG, [1.0]), broken])
    assert (len(batch.episodes), batch.failed_episodes) == (1, 1)
    with pytest.raises(JobFailure, match="all 1 episodes of step 1 failed; deadline: too late"):
        assemble(1, [broken])
