"""The learning rules. A new one is a file here, a line in METHODS, and its settings in contracts.methods."""

from collections.abc import Callable
from typing import Any

from contracts.methods import Method

from trainer.batch import Batch
from trainer.methods import reinforce_pp, socratic_po
from trainer.methods.annotation import Annotation

METHODS: dict[str, Callable[[Batch, Any], Annotation]] = {
    "socratic_po": socratic_po.annotate,
    "reinforce_pp": reinforce_pp.annotate,
}


def annotate(batch: Batch, method: Method) -> Annotation:
    """What the job's learning rule says about the batch."""
    return METHODS[method.name](batch, method)
