"""GRPO (arXiv 2402.03300 eq. 3) and Dr. GRPO (arXiv 2503.20783): rewards relative to the question's other episodes.

Axes: R rollouts, T tokens of one trajectory.
"""

from dataclasses import replace

import numpy as np
from contracts.methods import GRPO
from contracts.trajectories import CONTEXT
from rewards.advantages import group_centred, group_over_batch, group_standardised
from rewards.rows import Floats

from trainer.batch import Batch
from trainer.methods.annotation import Annotation, MethodState, undecayed

SCALES = {"group": group_standardised, "batch": group_over_batch, "none": group_centred}


def annotate(batch: Batch, spec: GRPO, _state: MethodState) -> Annotation:
    """A group of equals, all right or all wrong, gives no gradient."""
    annotation = undecayed(batch, SCALES[spec.scale](batch.rows.raw_RK, batch.rows))
    return annotation if spec.aggregation == "token" else replace(annotation, weights_RT=weights(batch, spec))


def weights(batch: Batch, spec: GRPO) -> list[Floats]:
    """1 / (R * length) for each student token: the answer's own length, or the same for all."""
    student_RT = [np.asarray(trajectory.attempt_T) != CONTEXT for trajectory in batch.trajectories]
    return [student_T / (len(student_RT) * (spec.constant_tokens or student_T.sum())) for student_T in student_RT]
