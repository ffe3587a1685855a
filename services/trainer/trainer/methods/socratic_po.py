"""SocraticPO: guided attempts, each success worth what the batch had earned before it (paper eqs 16-19, Theorem 1)."""

from contracts.methods import SocraticPO
from rewards.advantages import NORMALISATIONS
from rewards.decay import DECAYS

from trainer.batch import Batch
from trainer.methods.annotation import Annotation, MethodState, over_tokens

FACTORS = "factors"


def annotate(batch: Batch, spec: SocraticPO, state: MethodState) -> Annotation:
    """Decay the rewards over the whole batch, then normalise them over its rows."""
    decayed = DECAYS[spec.decay](batch.rows, spec.decay_setting, state.get(FACTORS, []))
    advantages_RK = NORMALISATIONS[spec.normalisation](decayed.rewards_RK, batch.rows)
    remembered: MethodState = {FACTORS: decayed.factors} if spec.decay == "ema" else {}
    return Annotation(decayed.rewards_RK, decayed.factors, over_tokens(batch, advantages_RK), state=remembered)
