"""Reinforce++ (arXiv 2501.03262): rewards of first attempts, normalised over the global batch.

Axes: R rollouts, K = 1 attempt, T tokens of one trajectory, N student tokens of the batch.
"""

from dataclasses import replace

import numpy as np
from contracts.methods import ReinforcePP
from contracts.trajectories import CONTEXT
from rewards.advantages import NORMALISATIONS, group_centred, standardised
from rewards.rows import Floats

from trainer.batch import Batch
from trainer.kl_penalty import kl_to_go
from trainer.methods.annotation import Annotation, MethodState, over_tokens, undecayed


def annotate(batch: Batch, spec: ReinforcePP, _state: MethodState) -> Annotation:
    """Raw rewards, no decay; with a penalty, A_t = r - beta * sum_{i >= t} KL_i before the normalisation."""
    annotation = undecayed(batch, NORMALISATIONS[spec.normalisation](batch.rows.raw_RK, batch.rows))
    return replace(annotation, advantages_RT=penalised(batch, spec)) if spec.needs_reference else annotation


def penalised(batch: Batch, spec: ReinforcePP) -> list[Floats]:
    """Returns now differ from token to token, so the statistics are over tokens; `row` counts each answer once."""
    rewards_RK = batch.rows.raw_RK
    if spec.normalisation == "group_row":
        rewards_RK = group_centred(rewards_RK, batch.rows)
    paid_RT = [
        reward_T - spec.kl_in_reward * kl_T
        for reward_T, kl_T in zip(over_tokens(batch, rewards_RK), kl_to_go(batch), strict=True)
    ]
    student_RT = [np.asarray(trajectory.attempt_T) != CONTEXT for trajectory in batch.trajectories]
    share_RT = [student_T / (1 if spec.normalisation == "token" else student_T.sum()) for student_T in student_RT]
    returns, student, shares = (np.concatenate(parts) for parts in (paid_RT, student_RT, share_RT))
    ends = np.cumsum([len(student_T) for student_T in student_RT])
    return np.split(standardised(returns, student, shares), ends[:-1])
