"""AdamW under a schedule, and its state as named tensors."""

import torch
from contracts.jobs import TrainingSpec
from torch import Tensor, nn

from trainer.schedules import learning_rate_of
from trainer.sharding import clip_norm

STATE_KEYS = ("step", "exp_avg", "exp_avg_sq")


class Optimizer:
    """Counts its updates; the learning rate is a function of that count and of nothing else."""

    def __init__(self, model: nn.Module, spec: TrainingSpec) -> None:
        self.spec = spec
        self.updates = 0
        self.parameters = {name: item for name, item in model.named_parameters() if item.requires_grad}
        self.adamw = torch.optim.AdamW(
            self.parameters.values(),
            lr=spec.learning_rate,
            betas=spec.betas,
            weight_decay=spec.weight_decay,
            fused=True,
        )

    def clear(self) -> None:
        """Forget the gradient."""
        self.adamw.zero_grad(set_to_none=True)

    def clip(self) -> float:
        """Scale the gradient down to the largest norm allowed; returns the norm before."""
        return clip_norm(list(self.parameters.values()), self.spec.gradient_clip)

    def apply(self) -> None:
        """One update of the weights."""
        for group in self.adamw.param_groups:
            group["lr"] = learning_rate_of(self.spec, self.updates)
        self.adamw.step()
        self.updates += 1

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step count of every parameter, by `key/parameter`; shares of them, where they are sharded."""
        return {
            f"{key}/{name}": self.adamw.state[parameter][key]
            for name, parameter in self.parameters.items()
            for key in STATE_KEYS
            if parameter in self.adamw.state
        }

    def begin(self, updates: int) -> None:
        """Go on after so many updates, with moments that are still to be filled in."""
        self.updates = updates
        if updates:
            for parameter in self.parameters.values():
                moments = {key: torch.zeros_like(parameter, requires_grad=False) for key in STATE_KEYS[1:]}
                self.adamw.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}
