"""How far the sampling policy has moved from the frozen base student, as a price on the reward (k1 estimator).

Axes: R rollouts, T tokens of one trajectory. KL per token is log pi(y_t) - log pi_ref(y_t), nats; context has none.
"""

import numpy as np
from rewards.rows import Floats

from trainer.batch import Batch


def kl_per_token(batch: Batch) -> list[Floats]:
    """k1 of every token. Raises ValueError when the batch came without the reference's log-probabilities."""
    if batch.reference_logprobs_RT is None:
        raise ValueError("a penalty needs the reference's log-probabilities")
    return [
        np.asarray(trajectory.logprobs_T) - reference_T  # both are 0 for context
        for trajectory, reference_T in zip(batch.trajectories, batch.reference_logprobs_RT, strict=True)
    ]


def kl_to_go(batch: Batch) -> list[Floats]:
    """sum_{i >= t} KL_i: what is still to be paid from token t on."""
    return [kl_T[::-1].cumsum()[::-1] for kl_T in kl_per_token(batch)]


def kl_of_rollouts(batch: Batch) -> Floats:
    """sum_t KL_t of each rollout, [R]."""
    return np.array([kl_T.sum() for kl_T in kl_per_token(batch)])
