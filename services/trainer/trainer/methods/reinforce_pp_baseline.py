"""Reinforce++ with a baseline (arXiv 2501.03262): less the group's mean, then normalised over the global batch."""

from contracts.methods import ReinforcePPBaseline
from rewards.advantages import group_row

from trainer.batch import Batch
from trainer.methods.annotation import Annotation, MethodState, undecayed


def annotate(batch: Batch, _spec: ReinforcePPBaseline, _state: MethodState) -> Annotation:
    """The group's mean says how hard the question is; the global spread keeps easy groups from weighing more."""
    return undecayed(batch, group_row(batch.rows.raw_RK, batch.rows))
