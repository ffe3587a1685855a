"""The student as a differentiable function: log-probabilities of sampled tokens.

Axes: B trajectories, T tokens, N student tokens, H hidden, V vocabulary.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import linear
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from trainer.failures import JobFailure
from trainer.microbatches import MicroBatch
from trainer.token_logprobs import token_logprobs

# fp32 rounding of one matrix product; a head that does more than a product (soft caps, scales) is off by far more.
HEAD_TOLERANCE = 1e-4
HEAD_PROBE_TOKENS = 4


class Policy:
    """A causal language model in fp32, sampled at `temperature`."""

    def __init__(self, model: Any, temperature: float) -> None:
        self.model = model.eval()  # no dropout: the engine samples without it
        self.temperature = temperature

    @classmethod
    def load(cls, directory: Path, temperature: float) -> "Policy":
        """Read a Hugging Face model directory. Raises JobFailure when it cannot be read or trained."""
        logging.disable_progress_bar()
        try:
            model = AutoModelForCausalLM.from_pretrained(
                directory,
                dtype=torch.float32,
                attn_implementation="sdpa",
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise JobFailure("student_unreadable", f"student.model {directory}: {error}") from error
        policy = cls(model, temperature)
        policy.check_head()
        return policy

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding: every token id lies below."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    def check_head(self) -> None:
        """Raises JobFailure for a model whose logits are not its head applied to its last hidden states."""
        probe_BT = torch.arange(HEAD_PROBE_TOKENS)[None] % self.vocab_size
        with torch.no_grad():
            expected_BTV = self.model(probe_BT, use_cache=False).logits
            found_BTV = linear(self.hidden(probe_BT), *self.head())
        if (expected_BTV - found_BTV).abs().max() > HEAD_TOLERANCE * (1 + expected_BTV.abs().max()):
            kind = type(self.model).__name__
            raise JobFailure("student_unsupported", f"student.model: {kind} changes its logits after the head")

    def head(self) -> tuple[Tensor, Tensor | None]:
        """Weight [V, H] and bias [V] of the head."""
        module = self.model.get_output_embeddings()
        return module.weight, getattr(module, "bias", None)

    def hidden(self, token_ids_BT: Tensor) -> Tensor:
        """Last hidden states [B, T, H] of one causal forward pass."""
        states_BTH: Tensor = self.model.base_model(input_ids=token_ids_BT, use_cache=False).last_hidden_state
        return states_BTH

    def logprobs(self, micro: MicroBatch) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of each student token, nats, at the temperature; context gets no logits."""
        states_NH = self.hidden(micro.token_ids_BT)[micro.rows_N, micro.positions_N]
        return token_logprobs(states_NH, *self.head(), micro.targets_N, self.temperature)

    @torch.no_grad()
    def prompt_logprobs(self, token_ids: list[int]) -> list[float]:
        """Log-probability of every token but the first, given those before it, at temperature 1."""
        tokens_BT = torch.tensor([token_ids])
        logits_TV = linear(self.hidden(tokens_BT), *self.head())[0]
        all_TV = torch.log_softmax(logits_TV[:-1], dim=-1)
        values: list[float] = all_TV.gather(1, tokens_BT[0, 1:, None]).squeeze(1).tolist()
        return values

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by their Hugging Face names, tied ones once: what `model.safetensors` holds."""
        seen: set[int] = set()
        kept = {}
        for name, tensor in self.model.state_dict().items():
            if tensor.data_ptr() not in seen:
                seen.add(tensor.data_ptr())
                kept[name] = tensor.detach()
        return kept

    @torch.no_grad()
    def restore(self, weights: dict[str, Tensor]) -> None:
        """Take over weights that `weights` gave. Raises KeyError or RuntimeError when they do not fit."""
        for name, tensor in self.weights().items():
            tensor.copy_(weights[name])
