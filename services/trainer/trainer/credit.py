"""What each episode of a batch was given, for people who read it. Pure.

Axes: R rollouts, K attempts, T tokens of one trajectory.
"""

import numpy as np
from contracts.credit import AttemptCredit, EpisodeCredit
from rewards.rows import Floats

from trainer.batch import Batch
from trainer.methods.annotation import Annotation


def credits_of(batch: Batch, annotation: Annotation) -> dict[str, EpisodeCredit]:
    """Episode id -> decayed reward and advantages of its attempts."""
    return {
        episode.episode_id: EpisodeCredit(
            attempts=[
                AttemptCredit(
                    reward_decayed=float(rewards_K[k]),
                    advantages=shortened(advantages_T[np.asarray(trajectory.attempt_T) == k + 1]),
                )
                for k in range(len(episode.attempts))
            ]
        )
        for episode, trajectory, rewards_K, advantages_T in zip(
            batch.episodes, batch.trajectories, annotation.rewards_RK, annotation.advantages_RT, strict=True
        )
    }


def shortened(advantages_T: Floats) -> list[float]:
    """A single number where all are equal."""
    values: list[float] = advantages_T.tolist()
    return values[:1] if len(set(values)) == 1 else values
