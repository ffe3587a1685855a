"""The student as one module: from token ids to what the loss needs, so that sharded weights are gathered around it.

Axes: U tokens of a row, B trajectories, T tokens, N student tokens, K tokens asked about at each, H hidden,
V vocabulary.
"""

from typing import Any

from torch import Tensor, cat, nn

from trainer.layout import Layout
from trainer.token_logprobs import token_logprobs, top_tokens


class Scorer(nn.Module):
    """A causal language model and the temperature at which it samples. Called, never reached into: see `sharding`."""

    def __init__(self, model: Any, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.one_row = False  # the model's attention keeps the strands of a row apart

    def forward(
        self,
        token_ids_U: Tensor,
        layout: Layout | None,
        places_N: Tensor,
        targets_NK: Tensor,
        top: int = 0,
        temperature: float | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(logprobs, entropy_N, targets): log-probabilities of each target at each place, nats, with gradient.

        At `temperature`, or the student's own. With `top`, the likeliest tokens of each place are asked about too,
        and stand behind the given targets.
        """
        states_NH = self.hidden(token_ids_U, layout)[places_N]
        weight_VH, bias_V = self.head()
        if top:
            top_NK = top_tokens(states_NH, weight_VH, bias_V, top)
            targets_NK = cat([targets_NK[:, None], top_NK], dim=1)
        logprobs, entropy_N = token_logprobs(states_NH, weight_VH, bias_V, targets_NK, temperature or self.temperature)
        return logprobs, entropy_N, targets_NK

    def hidden(self, token_ids_U: Tensor, layout: Layout | None) -> Tensor:
        """Last hidden states [U, H] of one causal forward pass; without a layout the row is one trajectory."""
        if layout is None:
            return self.states(token_ids_U[None])[0]
        if self.one_row:
            return self.states(token_ids_U[None], position_ids=layout.depths_U[None], layout=layout)[0]
        return layout.rolled(self.states(layout.unrolled(token_ids_U)))

    def states(self, token_ids_BT: Tensor, **options: Any) -> Tensor:
        """[B, T, H]."""
        states_BTH: Tensor = self.model.base_model(input_ids=token_ids_BT, use_cache=False, **options).last_hidden_state
        return states_BTH

    def head(self) -> tuple[Tensor, Tensor | None]:
        """Weight [V, H] and bias [V] of the head."""
        module = self.model.get_output_embeddings()
        return module.weight, getattr(module, "bias", None)
