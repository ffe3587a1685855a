"""The learning rules. A new one is a file here, a line in METHODS, and its settings in contracts.methods."""

from collections.abc import Callable
from typing import Any

from contracts.methods import Method

from trainer.batch import Batch
from trainer.methods import grpo, reinforce_pp, reinforce_pp_baseline, rloo, sdpo, socratic_po
from trainer.methods.annotation import Annotation, MethodState

METHODS: dict[str, Callable[[Batch, Any, MethodState], Annotation]] = {
    "socratic_po": socratic_po.annotate,
    "reinforce_pp": reinforce_pp.annotate,
    "reinforce_pp_baseline": reinforce_pp_baseline.annotate,
    "grpo": grpo.annotate,
    "rloo": rloo.annotate,
    "sdpo": sdpo.annotate,
}


def annotate(batch: Batch, method: Method, state: MethodState | None = None) -> Annotation:
    """What the job's learning rule says about the batch, given what it said to remember at the step before."""
    return METHODS[method.name](batch, method, state or {})
