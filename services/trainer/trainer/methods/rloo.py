"""RLOO (arXiv 2402.14740): each episode against the mean reward of the others of its question.

Axes: R rollouts, K = 1 attempt.
"""

from contracts.methods import RLOO
from rewards.advantages import leave_one_out

from trainer.batch import Batch
from trainer.kl_penalty import kl_of_rollouts
from trainer.methods.annotation import Annotation, MethodState, undecayed


def annotate(batch: Batch, spec: RLOO, _state: MethodState) -> Annotation:
    """An unbiased baseline: it does not depend on the episode that it judges. A penalty falls on the whole answer."""
    rewards_RK = batch.rows.raw_RK
    if spec.needs_reference:
        rewards_RK = rewards_RK - spec.kl_in_reward * kl_of_rollouts(batch)[:, None]
    return undecayed(batch, leave_one_out(rewards_RK, batch.rows))
