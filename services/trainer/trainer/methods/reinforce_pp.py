"""Reinforce++: rewards of first attempts, normalised over the global batch (paper section 2: the K = 1 baseline)."""

from contracts.methods import ReinforcePP

from trainer.advantages import NORMALISATIONS
from trainer.batch import Batch
from trainer.decay import none
from trainer.methods.annotation import Annotation, over_tokens


def annotate(batch: Batch, spec: ReinforcePP) -> Annotation:
    """Raw rewards, no decay."""
    undecayed = none(batch.rows)
    advantages_RK = NORMALISATIONS[spec.normalisation](undecayed.rewards_RK, batch.rows)
    return Annotation(undecayed.rewards_RK, undecayed.factors, over_tokens(batch, advantages_RK))
