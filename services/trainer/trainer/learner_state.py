"""All that a learner must remember, as named tensors: into a checkpoint and back, on any number of processes."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainer.crew import Restore, State
from trainer.failures import JobFailure
from trainer.sharding import put, whole

if TYPE_CHECKING:
    from trainer.update import Learner

Tensors = dict[str, Tensor]


def state_of(learner: "Learner") -> tuple[Tensors, Tensors]:
    """(weights, the rest): what training changes of the student; moments, and the self-teacher's weights."""
    with learner.crew.together(State()):
        weights, rest = (
            {name: learner.crew.kept(whole(tensor)) for name, tensor in part.items()} for part in parts(learner)
        )
    return weights, rest


def restore(learner: "Learner", weights: Tensors, rest: Tensors, random_state: Tensor, updates: int) -> None:
    """Go on from a checkpoint. Raises JobFailure, with nothing changed, when it belongs to a student of another shape.

    Only the leader's tensors are looked at; the other processes give none.
    """
    if learner.crew.leads:
        torch.set_rng_state(random_state)
        complaint = misfit(learner, weights | rest, updates)
        if complaint is not None:
            raise JobFailure("checkpoint_unusable", f"the checkpoint does not fit the student: {complaint}")
    with learner.crew.together(Restore(updates)):
        learner.optimizer.begin(updates)
        for part in parts(learner):
            for name, target in part.items():
                put((weights | rest)[name] if learner.crew.leads else None, target, learner.crew.several)


def parts(learner: "Learner") -> tuple[Tensors, Tensors]:
    """The live tensors, or this process's shares of them."""
    teacher = learner.self_teacher.tensors() if learner.self_teacher else {}
    return learner.policy.trained(), learner.optimizer.tensors() | teacher


def misfit(learner: "Learner", given: Tensors, updates: int) -> str | None:
    """What is missing or of another shape, or None."""
    trained, teacher = learner.policy.trained(), learner.self_teacher.tensors() if learner.self_teacher else {}
    wanted = {name: tensor.shape for name, tensor in (trained | teacher).items()}
    if updates:
        for name, parameter in learner.optimizer.parameters.items():
            wanted |= {f"step/{name}": torch.Size(), f"exp_avg/{name}": parameter.shape}
            wanted[f"exp_avg_sq/{name}"] = parameter.shape
    for name, shape in wanted.items():
        if name not in given:
            return f"{name} is missing"
        if given[name].shape != shape:
            return f"{name} has shape {list(given[name].shape)} instead of {list(shape)}"
    return None
