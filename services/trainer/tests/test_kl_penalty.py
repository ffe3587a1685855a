"""The divergence from the base student, taken off the reward, against plain loops over its definition."""

import random
from dataclasses import replace

import numpy as np
import pytest
from contracts.methods import RLOO, ReinforcePP
from rewards.rows import Floats
from trainer.batch import Batch, assemble
from trainer.kl_penalty import kl_of_rollouts, kl_to_go
from trainer.methods import annotate

from .makers import episode

BETA = 0.3
REWARDS = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]


@pytest.fixture
def batch() -> Batch:
    """Two questions, three single attempts each, and a reference that differs from the policy."""
    rng = random.Random(7)
    bare = assemble(1, [episode(rng, [reward], question=f"q{n // 3}", sample=n) for n, reward in enumerate(REWARDS)])
    reference = [np.array([value and value + rng.gauss(0, 1) for value in t.logprobs_T]) for t in bare.trajectories]
    return replace(bare, reference_logprobs_RT=reference)


def answers(batch: Batch) -> list[list[float]]:
    """KL_t of the student tokens of each rollout, token by token."""
    assert batch.reference_logprobs_RT is not None
    return [
        [ours - float(theirs) for k, ours, theirs in zip(t.attempt_T, t.logprobs_T, reference_T, strict=True) if k]
        for t, reference_T in zip(batch.trajectories, batch.reference_logprobs_RT, strict=True)
    ]


def only_student(batch: Batch, values_RT: list[Floats]) -> list[list[float]]:
    return [
        [float(value) for k, value in zip(t.attempt_T, values_T, strict=True) if k]
        for t, values_T in zip(batch.trajectories, values_RT, strict=True)
    ]


def test_what_is_still_to_be_paid(batch: Batch) -> None:
    for found, kl in zip(only_student(batch, kl_to_go(batch)), answers(batch), strict=True):
        assert found == pytest.approx([sum(kl[t:]) for t in range(len(kl))], rel=1e-12)
    assert kl_of_rollouts(batch).tolist() == pytest.approx([sum(kl) for kl in answers(batch)], rel=1e-12)


@pytest.mark.parametrize("normalisation", ["row", "token", "group_row"])
def test_reinforce_pays_from_each_token_on(batch: Batch, normalisation: str) -> None:
    """A_t = r - beta * sum_{i >= t} KL_i, then mean and standard deviation over the batch (paper section 2)."""
    baseline = [1 / 3] * 3 + [2 / 3] * 3 if normalisation == "group_row" else [0.0] * 6
    returns = [
        [reward - base - BETA * sum(kl[t:]) for t in range(len(kl))]
        for reward, base, kl in zip(REWARDS, baseline, answers(batch), strict=True)
    ]
    weight = [1.0 if normalisation == "token" else 1 / len(row) for row in returns for _ in row]
    flat = [value for row in returns for value in row]
    mean = sum(w * value for w, value in zip(weight, flat, strict=True)) / sum(weight)
    variance = sum(w * (value - mean) ** 2 for w, value in zip(weight, flat, strict=True)) / sum(weight)
    spec = ReinforcePP.model_validate({"normalisation": normalisation, "kl_in_reward": BETA})
    found = annotate(batch, spec)
    student = [value for row in only_student(batch, list(found.advantages_RT)) for value in row]
    assert student == pytest.approx([(value - mean) / (variance**0.5 + 1e-6) for value in flat], rel=1e-9)
    for trajectory, advantages_T in zip(batch.trajectories, found.advantages_RT, strict=True):
        assert not advantages_T[np.asarray(trajectory.attempt_T) == 0].any()


def test_rloo_pays_for_the_whole_answer(batch: Batch) -> None:
    """r_i - beta * sum_t KL, less the mean of the two others of the question (arXiv 2402.14740)."""
    paid = [reward - BETA * sum(kl) for reward, kl in zip(REWARDS, answers(batch), strict=True)]
    expected = [
        paid[i] - sum(paid[j] for j in range(i // 3 * 3, i // 3 * 3 + 3) if j != i) / 2 for i in range(len(paid))
    ]
    found = annotate(batch, RLOO(kl_in_reward=BETA))
    assert [advantages_T[-1] for advantages_T in found.advantages_RT] == pytest.approx(expected, rel=1e-9)
    assert found.rewards_RK[:, 0].tolist() == REWARDS


@pytest.mark.parametrize("spec", [ReinforcePP(kl_in_reward=BETA), RLOO(kl_in_reward=BETA)], ids=str)
def test_a_penalty_without_a_reference_is_refused(batch: Batch, spec: ReinforcePP | RLOO) -> None:
    assert spec.needs_reference
    with pytest.raises(ValueError, match="needs the reference"):
        annotate(replace(batch, reference_logprobs_RT=None), spec)


def test_without_a_penalty_the_reference_changes_nothing(batch: Batch) -> None:
    bare = replace(batch, reference_logprobs_RT=None)
    for spec in (ReinforcePP(), RLOO()):
        assert not spec.needs_reference
        for ours, theirs in zip(annotate(batch, spec).advantages_RT, annotate(bare, spec).advantages_RT, strict=True):
            assert ours.tolist() == theirs.tolist()
