"""The student as one module: from token ids to what the loss needs, so that sharded weights are gathered around it.

Axes: B trajectories, T tokens, N student tokens, K tokens asked about at each, H hidden, V vocabulary.
"""

from typing import Any

from torch import Tensor, cat, nn

from trainer.token_logprobs import token_logprobs, top_tokens


class Scorer(nn.Module):
    """A causal language model and the temperature at which it samples. Called, never reached into: see `sharding`."""

    def __init__(self, model: Any, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(
        self,
        token_ids_BT: Tensor,
        rows_N: Tensor,
        positions_N: Tensor,
        targets_NK: Tensor,
        top: int = 0,
        temperature: float | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(logprobs, entropy_N, targets): log-probabilities of each target at each position, nats, with gradient.

        At `temperature`, or the student's own. With `top`, the likeliest tokens of each position are asked about too,
        and stand behind the given targets.
        """
        states_NH = self.hidden(token_ids_BT)[rows_N, positions_N]
        weight_VH, bias_V = self.head()
        if top:
            top_NK = top_tokens(states_NH, weight_VH, bias_V, top)
            targets_NK = cat([targets_NK[:, None], top_NK], dim=1)
        logprobs, entropy_N = token_logprobs(states_NH, weight_VH, bias_V, targets_NK, temperature or self.temperature)
        return logprobs, entropy_N, targets_NK

    def hidden(self, token_ids_BT: Tensor) -> Tensor:
        """Last hidden states [B, T, H] of one causal forward pass."""
        states_BTH: Tensor = self.model.base_model(input_ids=token_ids_BT, use_cache=False).last_hidden_state
        return states_BTH

    def head(self) -> tuple[Tensor, Tensor | None]:
        """Weight [V, H] and bias [V] of the head."""
        module = self.model.get_output_embeddings()
        return module.weight, getattr(module, "bias", None)
