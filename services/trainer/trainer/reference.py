"""What the frozen base student says of a batch: once per batch, before anything is learned from it.

Axes: R rollouts, T tokens of one trajectory.
"""

from dataclasses import replace

import numpy as np
import torch

from trainer.batch import Batch
from trainer.microbatches import deal, pack, unpack
from trainer.policy import Policy


@torch.no_grad()
def with_reference(batch: Batch, reference: Policy, tokens_per_microbatch: int) -> Batch:
    """The batch with the log-probability of every student token under `reference`; context gets 0."""
    crew = reference.crew
    logprobs_RT = [np.zeros(len(trajectory.token_ids_T)) for trajectory in batch.trajectories]
    for micro in deal(pack(batch.trajectories, logprobs_RT, tokens_per_microbatch), crew.rank, crew.size):
        unpack(micro, reference.logprobs(micro.to(crew.device))[0], into_RT=logprobs_RT)
    crew.pool(logprobs_RT)
    return replace(batch, reference_logprobs_RT=logprobs_RT)
