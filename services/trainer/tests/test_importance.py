"""Importance correction in closed form, and proven to be active on stale data."""

import random
from pathlib import Path

import msgspec
import pytest
import torch
from contracts.episodes import Episode
from contracts.methods import SocraticPO
from trainer.batch import Batch, assemble
from trainer.diagnostics import UpdateReport
from trainer.importance import importance_weights
from trainer.methods import annotate
from trainer.microbatches import pack, unpack
from trainer.policy import Policy
from trainer.update import Learner

from .makers import episodes_of_step, make_student, spec_of


@pytest.mark.parametrize(
    ("correction", "expected"), [("truncated", [0.25, 0.5, 1.0, 2.0, 2.5]), ("masked", [0.0, 0.5, 1.0, 2.0, 0.0])]
)
def test_weights_of_known_ratios(correction: str, expected: list[float]) -> None:
    old = torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0], dtype=torch.float64).log()
    weights, changed = importance_weights(correction, old, torch.zeros(5, dtype=torch.float64), cap=2.5)
    assert weights.tolist() == pytest.approx(expected, abs=1e-6)
    assert changed.tolist() == [abs(a - b) > 1e-6 for a, b in zip([0.25, 0.5, 1, 2, 4], expected, strict=True)]


def sampled_by(student: Path, seed: int = 0) -> list[Episode]:
    """Episodes of step 1 whose log-probabilities are those of this student."""
    episodes = episodes_of_step(1, seed)
    batch = assemble(1, episodes)
    policy, zeros = (
        Policy.load(student, 1.0),
        [torch.zeros(len(item.token_ids_T)).numpy() for item in batch.trajectories],
    )
    for micro in pack(batch.trajectories, zeros, 256):
        with torch.no_grad():
            unpack(micro, policy.logprobs(micro)[0], zeros)
    told = []
    for episode, trajectory, values_T in zip(episodes, batch.trajectories, zeros, strict=True):
        attempts = [
            msgspec.structs.replace(
                attempt,
                logprobs=[v for v, k in zip(values_T.tolist(), trajectory.attempt_T, strict=True) if k == index + 1],
            )
            for index, attempt in enumerate(episode.attempts)
        ]
        told.append(msgspec.structs.replace(episode, attempts=attempts))
    return told


def learned(student: Path, episodes: list[Episode], **training: object) -> tuple[UpdateReport, torch.Tensor, Batch]:
    """One batch: the report and the last gradient."""
    options: dict[str, object] = {"gradient_clip": 1e9, "learning_rate": 1e-2} | training
    learner = Learner(Policy.load(student, 1.0), spec_of(student, **options).training)
    batch = assemble(1, episodes)
    report = learner.update(batch, annotate(batch, SocraticPO()))
    gradient = torch.cat(
        [item.grad.flatten() for item in learner.optimizer.parameters.values() if item.grad is not None]
    )
    return report, gradient, batch


def test_on_policy_every_weight_is_one_and_nothing_changes(student: Path) -> None:
    episodes = sampled_by(student)
    plain, plain_gradient, _ = learned(student, episodes)
    for correction in ("truncated", "masked"):
        report, gradient, _ = learned(student, episodes, importance=correction)
        assert report.importance_weight == pytest.approx(1.0, abs=1e-5)
        assert report.importance_capped == 0.0
        assert (gradient - plain_gradient).norm() < 1e-4 * plain_gradient.norm()
        assert report.loss == pytest.approx(plain.loss, abs=1e-5)


def test_stale_data_is_reweighted_by_the_truncated_ratio(student: Path, tmp_path: Path) -> None:
    """The gradient against an independent one: -w * A * grad log pi, with w = min(pi / pi_stale, cap) held constant."""
    episodes = sampled_by(make_student(tmp_path / "older", seed=1))
    cap = 1.5
    report, gradient, batch = learned(student, episodes, importance="truncated", importance_cap=cap)
    policy, annotation = Policy.load(student, 1.0), annotate(batch, SocraticPO())
    total, capped, tokens = torch.zeros(()), 0, 0
    for trajectory, advantages_T in zip(batch.trajectories, annotation.advantages_RT, strict=True):
        logits = policy.model(torch.tensor([trajectory.token_ids_T])).logits[0]
        for place, k in enumerate(trajectory.attempt_T):
            if k:
                logprob = torch.log_softmax(logits[place - 1], -1)[trajectory.token_ids_T[place]]
                ratio = float((logprob.detach() - trajectory.logprobs_T[place]).exp())
                total = total - min(ratio, cap) * float(advantages_T[place]) * logprob
                capped, tokens = capped + (ratio > cap), tokens + 1
    (total / tokens).backward()
    expected = torch.cat([item.grad.flatten() for item in policy.model.parameters() if item.grad is not None])
    assert (gradient - expected).norm() < 1e-4 * expected.norm()
    assert 0 < report.importance_capped == pytest.approx(capped / tokens)
    assert report.clip_fraction == 0.0  # the ratio to the old policy is 1 before anything is learned


def test_the_old_policy_is_that_of_the_batch_start(student: Path, tmp_path: Path) -> None:
    """Over epochs the clip sees the trainer's own movement, and the importance weight stays what it was."""
    episodes = sampled_by(make_student(tmp_path / "older", seed=1))
    once, _, _ = learned(student, episodes, importance="truncated")
    often, _, _ = learned(student, episodes, importance="truncated", epochs=3, learning_rate=0.05)
    assert often.importance_weight == pytest.approx(once.importance_weight, rel=1e-5)
    assert often.importance_capped == once.importance_capped
    assert often.clip_fraction > 0
    assert (often.updates, often.student_tokens) == (3, once.student_tokens)


def test_the_engines_arithmetic_is_corrected(student: Path) -> None:
    """A constant gap of 0.1 nats between engine and trainer is a weight of exp(0.1)."""
    episodes = sampled_by(student)
    rng = random.Random(0)
    off = [
        msgspec.structs.replace(
            episode,
            attempts=[
                msgspec.structs.replace(attempt, logprobs=[value - 0.1 for value in attempt.logprobs])
                for attempt in episode.attempts
            ],
        )
        for episode in rng.sample(episodes, len(episodes))
    ]
    report, _, _ = learned(student, off, importance="truncated")
    assert report.importance_weight == pytest.approx(1.105171, abs=1e-4)
