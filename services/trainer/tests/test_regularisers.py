"""KL to the frozen base, entropy bonus, and a method's own weights of the tokens."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.methods import SocraticPO
from trainer.batch import assemble
from trainer.diagnostics import UpdateReport
from trainer.loss import k2, k3
from trainer.methods import annotate
from trainer.policy import Policy
from trainer.update import Learner

from .makers import episodes_of_step, make_student, spec_of

CURRENT = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
REFERENCE = torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)


def test_the_mean_of_k3_and_the_gradient_of_k2_are_those_of_the_kl() -> None:
    """Over a three-way choice: E_pi[k3] = KL(pi || ref); E_pi[grad k2] = grad KL(pi || ref)."""
    exact = (CURRENT * (CURRENT / REFERENCE).log()).sum()
    assert (CURRENT * k3(CURRENT.log(), REFERENCE.log())).sum().item() == pytest.approx(exact.item(), rel=1e-12)
    logits = CURRENT.log().requires_grad_()
    logprobs = torch.log_softmax(logits, -1)
    [by_k2] = torch.autograd.grad((CURRENT * k2(logprobs, REFERENCE.log())).sum(), logits, retain_graph=True)
    [by_kl] = torch.autograd.grad((logprobs.exp() * (logprobs - REFERENCE.log())).sum(), logits)
    assert torch.allclose(by_k2, by_kl, atol=1e-12)


def trained(student: Path, base: Path | None, steps: int = 6, **training: object) -> list[UpdateReport]:
    options: dict[str, object] = {"steps": steps, "learning_rate": 5e-3, "warmup_steps": 0} | training
    reference = Policy.load(base, 1.0) if base else None
    learner = Learner(Policy.load(student, 1.0), spec_of(student, **options).training, reference)
    reports = []
    for _ in range(steps):
        batch = learner.with_reference(assemble(1, episodes_of_step(1)))
        reports.append(learner.update(batch, annotate(batch, SocraticPO())))
    return reports


def test_the_reference_is_the_frozen_base(student: Path) -> None:
    """Zero where nothing was learned yet, against the model's own forward pass where another base is meant."""
    reports = trained(student, student)
    assert reports[0].reference_kl == pytest.approx(0.0, abs=1e-9)
    assert reports[-1].reference_kl is not None
    assert reports[-1].reference_kl > 1e-4
    assert trained(student, None, steps=1)[0].reference_kl is None


def test_reference_logprobs_stand_at_their_tokens(student: Path, tmp_path: Path) -> None:
    base = make_student(tmp_path / "base", seed=4)
    learner = Learner(Policy.load(student, 1.0), spec_of(student).training, Policy.load(base, 1.0))
    batch = learner.with_reference(assemble(1, episodes_of_step(1)))
    assert batch.reference_logprobs_RT is not None
    policy = Policy.load(base, 1.0)
    for trajectory, found_T in zip(batch.trajectories, batch.reference_logprobs_RT, strict=True):
        expected_T = np.array([0.0, *policy.prompt_logprobs(trajectory.token_ids_T)])
        assert found_T == pytest.approx(np.where(np.array(trajectory.attempt_T) > 0, expected_T, 0.0), abs=1e-5)


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_the_kl_loss_holds_the_policy_near_its_base(student: Path, estimator: str) -> None:
    free, held = (
        trained(student, student, kl_coefficient=weight, kl_estimator=estimator)[-1].reference_kl
        for weight in (0.0, 5.0)
    )
    assert free is not None
    assert held is not None
    assert held < 0.7 * free


def test_the_entropy_bonus_raises_entropy(student: Path) -> None:
    plain, bold = (trained(student, None, entropy_coefficient=weight)[-1].entropy for weight in (0.0, 3.0))
    assert bold > plain + 0.01


def test_weights_of_one_over_tokens_are_the_mean_over_tokens(student: Path) -> None:
    """And they are so whatever the number of minibatches, as long as those hold as many tokens for each rollout."""
    batch = assemble(1, episodes_of_step(1))
    annotation = annotate(batch, SocraticPO())
    tokens = int(batch.rows.tokens_RK.sum())
    weights_RT = [np.where(advantages_T != 0, 1 / tokens, 0.0) for advantages_T in annotation.advantages_RT]
    reports = []
    for weights in (None, weights_RT):
        learner = Learner(Policy.load(student, 1.0), spec_of(student).training)
        reports.append(learner.update(batch, replace(annotation, weights_RT=weights)))
    assert reports[0].loss == pytest.approx(reports[1].loss, rel=1e-5)
    assert reports[0].gradient_norm == pytest.approx(reports[1].gradient_norm, rel=1e-4)
