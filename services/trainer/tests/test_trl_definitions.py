"""Advantages and loss against TRL 1.16.0: the numbers below are what its own lines of code gave for the same tensors.

Origin: the advantage and loss sections of trl/trainer/grpo_trainer.py and rloo_trainer.py, executed in float64.
TRL adds 1e-4 to a standard deviation where this project adds 1e-6; every deviation here is above 0.4.
"""

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from contracts.methods import GRPO
from rewards.advantages import group_centred, group_over_batch, group_standardised, leave_one_out
from rewards.rows import Floats, Rows, rows_of
from trainer.batch import Batch, assemble
from trainer.loss import policy_gradient
from trainer.methods import annotate

from .makers import answer

REWARDS = [1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0.5, 0.25, 1, 0]
GROUPS = [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
EPSILONS_APART = 1e-4 / 0.4


def of_student(batch: Batch, values_RT: Sequence[Floats]) -> torch.Tensor:
    """The values of the student tokens, rollout after rollout."""
    student = [np.asarray(trajectory.attempt_T) > 0 for trajectory in batch.trajectories]
    return torch.from_numpy(np.concatenate(values_RT)[np.concatenate(student)])


GRPO_GROUP = [1.49970006, *[-0.49990002] * 3, *[0.49990002] * 3, -1.49970006, *[0.0] * 4]
GRPO_BATCH = [1.611881149, *[-0.537293716] * 3, *[0.537293716] * 3, -1.611881149, *[0.0] * 4]
DR_GRPO = [0.75, *[-0.25] * 3, *[0.25] * 3, -0.75, *[0.0] * 4]
RLOO = [1.0, *[-0.333333333] * 3, *[0.333333333] * 3, -1.0, *[0.0] * 4]


# Ten tokens; one answer of four is right, so that GRPO's advantages are 1.5 and three times -0.5.
LOGPROBS = [-1.0, -0.5, -2.0, -0.7, -0.1, -1.5, -0.3, -0.9, -2.5, -0.2]
SAMPLING = [-1.3, -0.4, -2.1, -0.9, -0.1, -1.0, -0.6, -0.85, -2.0, -0.7]
AGGREGATIONS = [
    (  # loss_type bnpo
        {"aggregation": "token"},
        -0.10494063736989037,
        [0, -0.135725613, -0.165775638, 0.061070138, 0.05, 0, 0.06749294, 0.047561471, 0, 0.082436064],
    ),
    (  # loss_type grpo
        {"aggregation": "answer"},
        0.002355849717846803,
        [0, -0.113104677, -0.138146365, 0.152675345, 0.0625, 0, 0.042183088, 0.02972592, 0, 0.05152254],
    ),
    (  # loss_type dr_grpo with max_completion_length 8
        {"aggregation": "constant", "constant_tokens": 8},
        -0.03279394917809074,
        [0, -0.042414254, -0.051804887, 0.019084418, 0.015625, 0, 0.021091544, 0.01486296, 0, 0.02576127],
    ),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"),
    [
        (group_standardised, [*GRPO_GROUP, 0.146350733, -0.4390522, 1.317156599, -1.024455133], EPSILONS_APART),
        (group_over_batch, [*GRPO_BATCH, 0.134323429, -0.402970287, 1.208910862, -0.940264003], EPSILONS_APART),
        (group_centred, [*DR_GRPO, 0.0625, -0.1875, 0.5625, -0.4375], 1e-8),
        (leave_one_out, [*RLOO, 0.083333333, -0.25, 0.75, -0.583333333], 1e-8),
    ],
)
def test_advantages(ours: Callable[[Floats, Rows], Floats], theirs: list[float], tolerance: float) -> None:
    rows = rows_of([[reward] for reward in REWARDS], [[1]] * 16, GROUPS)
    np.testing.assert_allclose(ours(rows.raw_RK, rows)[:, 0], theirs, rtol=tolerance)


@pytest.mark.parametrize(("aggregation", "loss", "gradient"), AGGREGATIONS)
def test_the_clipped_loss_and_its_gradient(aggregation: dict[str, object], loss: float, gradient: list[float]) -> None:
    """Four answers of 3, 1, 2 and 4 tokens, DAPO's clip-higher: epsilon 0.2, epsilon_high 0.28."""
    rng = random.Random(0)
    answers = [answer(rng, float(n == 0), n, length) for n, length in enumerate([3, 1, 2, 4])]
    batch = assemble(1, answers)
    annotation = annotate(batch, GRPO.model_validate(aggregation))
    logprobs = torch.tensor(LOGPROBS, dtype=torch.float64, requires_grad=True)
    sampling = torch.tensor(SAMPLING, dtype=torch.float64)
    advantages = of_student(batch, annotation.advantages_RT)
    tokens = policy_gradient(logprobs, sampling, advantages, clip_low=0.2, clip_high=0.28).loss_N
    total = (
        tokens.mean() if annotation.weights_RT is None else (tokens * of_student(batch, annotation.weights_RT)).sum()
    )
    total.backward()  # type: ignore[no-untyped-call]
    assert logprobs.grad is not None
    assert total.item() == pytest.approx(loss, rel=1e-5)  # 1e-6 in the standard deviation of the advantages
    assert logprobs.grad.tolist() == pytest.approx(gradient, rel=1e-5, abs=1e-9)
