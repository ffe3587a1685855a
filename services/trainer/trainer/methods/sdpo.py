"""SDPO (arXiv 2601.20802): the student learns from itself, shown another right answer to the same question.

Axes: R rollouts, T tokens of one trajectory.
"""

from dataclasses import replace

import numpy as np
from contracts.methods import SDPO
from contracts.trajectories import CONTEXT

from trainer.batch import Batch
from trainer.distillation import Distillation
from trainer.methods.annotation import Annotation, MethodState, undecayed


def annotate(batch: Batch, spec: SDPO, _state: MethodState) -> Annotation:
    """No advantages: every token of a rollout with a demonstration counts once, the others not at all."""
    demonstrations_R = [another_success(batch, rollout) for rollout in range(len(batch.trajectories))]
    student_RT = [np.asarray(trajectory.attempt_T) != CONTEXT for trajectory in batch.trajectories]
    shown_RT = [student_T * (shown is not None) for student_T, shown in zip(student_RT, demonstrations_R, strict=True)]
    tokens = max(1, sum(int(shown_T.sum()) for shown_T in shown_RT))
    return replace(
        undecayed(batch, np.zeros_like(batch.rows.raw_RK)),
        weights_RT=[shown_T / tokens for shown_T in shown_RT],
        distillation=Distillation(demonstrations_R, spec.alpha, spec.top_tokens, spec.importance_cap),
    )


def another_success(batch: Batch, rollout: int) -> int | None:
    """The next right rollout of the group after this one, in a circle, so that demonstrations vary."""
    group = np.flatnonzero(batch.rows.group_R == batch.rows.group_R[rollout])
    following = [int(other) for other in np.roll(group, -int(np.searchsorted(group, rollout)))[1:]]
    return next((other for other in following if batch.rows.raw_RK[other, 0] > 0), None)
