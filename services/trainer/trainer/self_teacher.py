"""The student's own moving average, which sees a right answer beside the question. Axes: R rollouts, T tokens."""

from collections.abc import Sequence

import torch
from contracts.trajectories import CONTEXT, Trajectory
from torch import Tensor

from trainer.batch import Batch
from trainer.policy import Policy
from trainer.reprompt import Reprompt


class SelfTeacher:
    """Begins as the student and follows it slowly; a checkpoint keeps its weights."""

    def __init__(self, policy: Policy, rate: float, reprompt: Reprompt, student: Policy) -> None:
        self.policy = policy
        self.rate = rate
        self.reprompt = reprompt
        self.follow(student, 1.0)

    @torch.no_grad()
    def follow(self, student: Policy, rate: float | None = None) -> None:
        """weights += rate * (student's - weights), in fp32."""
        theirs = student.trained()
        for name, tensor in self.policy.trained().items():
            tensor.lerp_(theirs[name], self.rate if rate is None else rate)

    def view(self, batch: Batch, demonstrations_R: Sequence[int | None]) -> list[Trajectory]:
        """The same answers behind what the teacher sees; without a demonstration, behind their own prompts."""
        return [self.seen(batch, rollout, shown) for rollout, shown in enumerate(demonstrations_R)]

    def seen(self, batch: Batch, rollout: int, shown: int | None) -> Trajectory:
        episode = batch.episodes[rollout]
        if shown is None:
            return batch.trajectories[rollout]
        context = self.reprompt.context([*episode.prompt_token_ids], [*batch.episodes[shown].attempts[0].token_ids])
        answer = [*episode.attempts[0].token_ids]
        nothing, unknown = [0.0] * (len(context) + len(answer)), [-1] * (len(context) + len(answer))
        return Trajectory(context + answer, [CONTEXT] * len(context) + [1] * len(answer), nothing, unknown)

    def tensors(self) -> dict[str, Tensor]:
        """Its weights by name; shares of them, where they are sharded."""
        return {f"self_teacher/{name}": tensor for name, tensor in self.policy.trained().items()}
