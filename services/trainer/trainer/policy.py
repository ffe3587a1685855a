"""The student as a differentiable function: log-probabilities of sampled tokens.

Axes: T tokens, N student tokens, K tokens asked about at each, V vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from contracts.jobs import LoraSpec, TrainingSpec
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import linear
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from trainer.adapters import adapted_layers, add_adapters, merged, plain_name
from trainer.attention import take_strands
from trainer.crew import SOLO, Crew, Score, Weights
from trainer.failures import JobFailure
from trainer.layers import recompute_layers
from trainer.microbatches import MicroBatch
from trainer.scorer import Scorer
from trainer.sharding import shard, whole

# fp32 rounding of one matrix product; a head that does more than a product (soft caps, scales) is off by far more.
HEAD_TOLERANCE = 1e-4
HEAD_PROBE_TOKENS = 4
PUBLISHED = {"fp32": torch.float32, "bf16": torch.bfloat16}
BASE_LAYER = ".base_layer.weight"


@dataclass(frozen=True)
class Shape:
    """How a student is laid out for training."""

    precision: str = "fp32"
    activation_checkpointing: bool = False
    lora: LoraSpec | None = None

    @classmethod
    def of(cls, spec: TrainingSpec) -> "Shape":
        """What the job asks for."""
        return cls(spec.precision, spec.activation_checkpointing, spec.lora)


class Policy:
    """A causal language model with fp32 weights, sampled at `temperature`."""

    def __init__(self, model: Any, temperature: float, shape: Shape = Shape(), crew: Crew = SOLO) -> None:
        self.model = model.eval()  # no dropout: the engine samples without it
        self.crew = crew
        self.shape = shape
        self.scorer = Scorer(model, temperature)

    @classmethod
    def load(cls, directory: Path, temperature: float, shape: Shape = Shape(), crew: Crew = SOLO) -> "Policy":
        """Read a Hugging Face model directory. Raises JobFailure when it cannot be read or trained."""
        policy = cls(read_model(directory), temperature, shape, crew)
        policy.check_head()
        policy.scorer.one_row = take_strands(policy.model, policy.vocab_size)
        policy.lay_out()
        return policy

    def lay_out(self) -> None:
        """Adapters first, for they are weights too; sharding last, for it takes hold of every weight."""
        if self.shape.lora is not None:
            add_adapters(self.model, self.shape.lora)
        if self.shape.activation_checkpointing:
            recompute_layers(self.model)
        self.model.to(self.crew.device)
        if self.crew.several or self.shape.precision == "bf16":
            shard(self.scorer, self.crew.mesh(), self.shape.precision)

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding: every token id lies below."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @torch.no_grad()
    def check_head(self) -> None:
        """Raises JobFailure for a model whose logits are not its head applied to its last hidden states."""
        probe_T = torch.arange(HEAD_PROBE_TOKENS) % self.vocab_size
        expected_TV = self.model(probe_T[None], use_cache=False).logits[0]
        found_TV = linear(self.scorer.hidden(probe_T, None), *self.scorer.head())
        if (expected_TV - found_TV).abs().max() > HEAD_TOLERANCE * (1 + expected_TV.abs().max()):
            kind = type(self.model).__name__
            raise JobFailure("student_unsupported", f"student.model: {kind} changes its logits after the head")

    def logprobs(self, micro: MicroBatch) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of each student token, nats, at the temperature; context gets no logits."""
        logprobs_N, entropy_N, _ = self.scorer(micro.token_ids_U, micro.layout, micro.places_N, micro.targets_N)
        return logprobs_N, entropy_N

    def top_logprobs(self, micro: MicroBatch, top: int) -> tuple[Tensor, Tensor, Tensor]:
        """(log-probabilities_NK, entropy_N, ids_NK): column 0 is the sampled token, behind it the `top` likeliest."""
        logprobs_NK, entropy_N, ids_NK = self.scorer(
            micro.token_ids_U, micro.layout, micro.places_N, micro.targets_N, top
        )
        return logprobs_NK, entropy_N, ids_NK

    def logprobs_of(self, micro: MicroBatch, ids_NK: Tensor) -> Tensor:
        """Log-probabilities [N, K] of these tokens where each student token stands."""
        logprobs_NK: Tensor = self.scorer(micro.token_ids_U, micro.layout, micro.places_N, ids_NK)[0]
        return logprobs_NK

    @torch.no_grad()
    def prompt_logprobs(self, token_ids: list[int]) -> list[float]:
        """Log-probability of every token but the first, given those before it, at temperature 1."""
        with self.crew.together(Score(token_ids)):
            tokens_T = torch.tensor(token_ids, device=self.crew.device)
            places_N = torch.arange(len(token_ids) - 1, device=self.crew.device)
            found_N = self.scorer(tokens_T, None, places_N, tokens_T[1:], temperature=1.0)
            values: list[float] = found_N[0].tolist()
        return values

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by their Hugging Face names, tied ones once: what `model.safetensors` holds.

        Adapters are merged into the weights that they stand beside.
        """
        layers = adapted_layers(self.model)
        with self.crew.together(Weights()), torch.no_grad():
            found = {}
            for name, tensor in self.tensors().items():
                plain = plain_name(name)
                if plain is not None:
                    layer = layers.get(name.removesuffix(BASE_LAYER)) if name.endswith(BASE_LAYER) else None
                    found[plain] = self.crew.kept(whole(tensor if layer is None else merged(tensor, layer)))
        return {name: tensor.to(PUBLISHED[self.shape.precision]) for name, tensor in found.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter once, and the buffers that belong to the model's state."""
        parameters: dict[str, Tensor] = dict(self.model.named_parameters())
        tied = {name for name, _ in self.model.named_parameters(remove_duplicate=False)} - parameters.keys()
        buffers = {name: tensor for name, tensor in self.model.state_dict().items() if name not in parameters}
        return parameters | {name: tensor for name, tensor in buffers.items() if name not in tied}

    def trained(self) -> dict[str, Tensor]:
        """What training changes, by name: all weights, or the adapters alone. Of sharded ones, this process's share."""
        if self.shape.lora is None:
            return self.tensors()
        return {name: tensor for name, tensor in self.model.named_parameters() if tensor.requires_grad}


def read_model(directory: Path) -> Any:
    """Raises JobFailure when the directory holds no causal language model."""
    logging.disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=torch.float32,
            attn_implementation="sdpa",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise JobFailure("student_unreadable", f"student.model {directory}: {error}") from error
