"""What a learning rule says about a batch; the update knows nothing else of it.

Axes: R rollouts, K attempts, T tokens of one trajectory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from contracts.trajectories import CONTEXT
from rewards.rows import Floats

from trainer.batch import Batch
from trainer.distillation import Distillation

# What a method carries from step to step; plain numbers, because the checkpoint keeps it as JSON.
MethodState = dict[str, list[float]]


@dataclass(frozen=True)
class Annotation:
    """Rewards after decay, the decay factors mu_0..mu_K, and the advantage of every token (0 for context).

    `weights_RT`: the batch's loss is their weighted sum over all tokens, context 0. None: the mean over student tokens.
    """

    rewards_RK: Floats
    factors: list[float]
    advantages_RT: Sequence[Floats]
    weights_RT: Sequence[Floats] | None = None
    state: MethodState = field(default_factory=dict)  # for the next step
    distillation: Distillation | None = None  # learn from a teacher's distributions instead of advantages

    @property
    def cold(self) -> bool:
        """Nothing was earned in the whole batch."""
        return not (self.rewards_RK > 0).any()

    @property
    def zero_gradient(self) -> bool:
        """No token has anything to learn from."""
        return not any(self.teaching_rollouts)

    @property
    def teaching_rollouts(self) -> list[bool]:
        """Which rollouts have a token with an advantage, or a demonstration."""
        if self.distillation is not None:
            return [demonstration is not None for demonstration in self.distillation.demonstrations_R]
        return [bool(advantages_T.any()) for advantages_T in self.advantages_RT]

    @property
    def masked_episodes(self) -> int:
        """Rollouts that are left out for want of a demonstration."""
        return 0 if self.distillation is None else self.teaching_rollouts.count(False)


def undecayed(batch: Batch, advantages_RK: Floats) -> Annotation:
    """What a method without decay and without memory says: raw rewards, and an advantage for each row."""
    factors = [1.0] * (batch.rows.raw_RK.shape[1] + 1)
    return Annotation(batch.rows.raw_RK, factors, over_tokens(batch, advantages_RK))


def over_tokens(batch: Batch, advantages_RK: Floats) -> list[Floats]:
    """Each student token gets the advantage of its attempt."""
    spread = []
    for trajectory, advantages_K in zip(batch.trajectories, advantages_RK, strict=True):
        attempt_T = np.asarray(trajectory.attempt_T)
        spread.append(np.where(attempt_T == CONTEXT, 0.0, advantages_K[attempt_T - 1]))
    return spread
