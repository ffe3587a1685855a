"""Supervised training of a small causal model on dialogues: next-token loss on the student's own tokens.

Axes: B dialogues, T tokens, N learned tokens of the batch, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Qwen3ForCausalLM

from students.examples import Batch

OnStep = Callable[[int, float], None]


@dataclass(frozen=True)
class Schedule:
    """One supervised stage: linear warm-up, then a cosine down to a tenth of the learning rate."""

    steps: int
    learning_rate: float
    warmup: int = 50
    weight_decay: float = 0.01
    clip: float = 1.0

    def rate(self, step: int) -> float:
        """Learning rate of a step that counts from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.55 + 0.45 * math.cos(math.pi * progress))


def train(model: Qwen3ForCausalLM, batches: Iterator[Batch], schedule: Schedule, on_step: OnStep) -> None:
    """Run one stage in place; `on_step(step, loss)` after each update.

    Equal batches give equal weights on one thread.
    """
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=schedule.weight_decay)
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss = answer_loss(model, next(batches))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        optimizer.step()
        optimizer.zero_grad()
        on_step(step, loss.item())
    model.eval()


def answer_loss(model: Qwen3ForCausalLM, batch: Batch) -> Tensor:
    """Mean cross-entropy in nats over the learned tokens; the head runs on their positions only."""
    hidden_BTH = model.model(input_ids=batch.ids_BT[:, :-1]).last_hidden_state
    learned_BT = batch.mask_BT[:, 1:]
    logits_NV = model.lm_head(hidden_BTH[learned_BT])
    return functional.cross_entropy(logits_NV, batch.ids_BT[:, 1:][learned_BT])
