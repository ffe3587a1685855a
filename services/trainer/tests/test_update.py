"""The update: splits change nothing, nothing comes of nothing, and broken numbers are named."""

import random
from pathlib import Path

import msgspec
import pytest
import torch
from contracts.episodes import Episode
from contracts.methods import SocraticPO
from trainer.batch import assemble
from trainer.diagnostics import UpdateReport
from trainer.failures import JobFailure
from trainer.methods import annotate
from trainer.minibatches import split
from trainer.policy import Policy
from trainer.update import Learner

from .makers import episode, episodes_of_step, spec_of


def learner_of(student: Path, **training: object) -> Learner:
    return Learner(Policy.load(student, 1.0), spec_of(student, **training).training)


def update(learner: Learner, episodes: list[Episode]) -> UpdateReport:
    batch = assemble(episodes[0].step, episodes)
    return learner.update(batch, annotate(batch, SocraticPO()))


def flat(learner: Learner) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in learner.policy.weights().values()]).clone()


def gradient(learner: Learner) -> torch.Tensor:
    return torch.cat([item.grad.flatten() for item in learner.optimizer.parameters.values() if item.grad is not None])


def test_the_micro_batch_split_does_not_change_the_gradient(student: Path) -> None:
    """The loss is the mean over the batch's student tokens, however they are laid out."""
    learners = [learner_of(student, tokens_per_microbatch=budget, gradient_clip=1e9) for budget in (64, 200, 16384)]
    reports = [update(learner, episodes_of_step(1)) for learner in learners]
    whole = gradient(learners[-1])
    for learner, report in zip(learners, reports, strict=True):
        assert (gradient(learner) - whole).norm() < 1e-6 * whole.norm()
        assert report.loss == pytest.approx(reports[-1].loss, rel=1e-6)


def test_zero_gradient_leaves_the_weights_bit_for_bit_in_spite_of_momentum(student: Path) -> None:
    learner = learner_of(student)
    update(learner, episodes_of_step(1))
    before, updates = flat(learner), learner.optimizer.updates
    rng = random.Random(0)
    report = update(learner, [episode(rng, [0.0, 0.0], step=2, sample=sample) for sample in range(4)])
    assert torch.equal(flat(learner), before)
    assert (report.updates, learner.optimizer.updates) == (0, updates)
    assert report.student_tokens > 0
    assert report.entropy > 0
    assert report.gradient_norm == 0


def test_a_right_answer_becomes_likelier_and_a_wrong_one_rarer(student: Path) -> None:
    rng = random.Random(3)
    batch = assemble(1, [episode(rng, [1.0]), episode(rng, [0.0], sample=1)])
    policy = Policy.load(student, 1.0)
    sampled = [likelihood(policy, item) for item in batch.episodes]
    honest = [with_logprobs(item, values) for item, values in zip(batch.episodes, sampled, strict=True)]
    learner = learner_of(student)
    for _ in range(3):
        update(learner, honest)
    right, wrong = (sum(likelihood(learner.policy, item)) for item in honest)
    assert right > sum(sampled[0])
    assert wrong < sum(sampled[1])


def likelihood(policy: Policy, item: Episode) -> list[float]:
    """Log-probabilities of the only attempt's tokens."""
    values = policy.prompt_logprobs(item.prompt_token_ids + item.attempts[0].token_ids)
    return values[len(item.prompt_token_ids) - 1 :]


def with_logprobs(item: Episode, values: list[float]) -> Episode:
    return msgspec.structs.replace(item, attempts=[msgspec.structs.replace(item.attempts[0], logprobs=values)])


def test_the_gap_is_zero_for_an_engine_with_the_same_weights(student: Path) -> None:
    rng = random.Random(5)
    policy = Policy.load(student, 1.0)
    items = [episode(rng, [reward], sample=int(reward)) for reward in (0.0, 1.0)]
    report = update(learner_of(student), [with_logprobs(item, likelihood(policy, item)) for item in items])
    assert report.logprob_gap_max < 1e-5
    assert report.clip_fraction == 0
    assert abs(report.approximate_kl) < 1e-6


def test_the_gap_counts_only_tokens_of_the_current_version(student: Path) -> None:
    rng = random.Random(6)
    old = [msgspec.structs.replace(episode(rng, [reward], sample=int(reward)), step=3) for reward in (0.0, 1.0)]
    assert update(learner_of(student), old).logprob_gap_max == 0


def test_each_update_is_made_at_its_own_learning_rate(student: Path) -> None:
    learner = learner_of(student, learning_rate=0.1, warmup_steps=4, steps=6, schedule="linear")
    rates = []
    for _ in range(6):
        learner.optimizer.apply()
        rates.append(learner.optimizer.adamw.param_groups[0]["lr"])
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.05])


def test_minibatches_are_consecutive_and_whole() -> None:
    assert list(split(10, 3)) == [range(3), range(3, 6), range(6, 10)]
    assert list(split(2, 5)) == [range(1), range(1, 2)]


def test_several_minibatches_are_several_updates(student: Path) -> None:
    learner = learner_of(student, minibatches=3)
    assert update(learner, episodes_of_step(1)).updates == learner.optimizer.updates == 3


@pytest.mark.parametrize("overflowing", [{0.0}, {1.0}])
def test_a_ratio_that_overflows_is_a_named_failure_and_changes_nothing(student: Path, overflowing: set[float]) -> None:
    """exp(logp + 1e4) is infinite: on a wrong answer the loss is, on a right one only the gradient is not finite."""
    rng, learner = random.Random(1), learner_of(student)
    before = flat(learner)
    items = [episode(rng, [reward], sample=int(reward)) for reward in (0.0, 1.0)]
    far = [item if {item.attempts[0].reward} - overflowing else too_unlikely(item) for item in items]
    with pytest.raises(JobFailure, match="the last checkpoint stays") as error:
        update(learner, far)
    assert error.value.code == "non_finite_gradient"
    assert torch.equal(flat(learner), before)


def too_unlikely(item: Episode) -> Episode:
    return with_logprobs(item, [-1e4] * len(item.attempts[0].token_ids))


def test_weights_that_are_not_finite_are_a_named_failure(student: Path) -> None:
    learner = learner_of(student)
    with torch.no_grad():
        next(iter(learner.optimizer.parameters.values())).fill_(float("inf"))
    with pytest.raises(JobFailure, match="not finite") as error:
        update(learner, [episode(random.Random(0), [0.0])])
    assert error.value.code == "non_finite_weights"
