"""LoRA by peft: small trainable matrices beside frozen weights, and the plain weights that both make together."""

from typing import Any

from contracts.jobs import LoraSpec
from torch import Tensor, nn

from trainer.failures import JobFailure

ADAPTER = "default"  # peft's name for the only one


def add_adapters(model: Any, spec: LoraSpec) -> None:
    """In place; all other weights are frozen. Raises JobFailure when the student has no such layers."""
    from peft import LoraConfig, inject_adapter_in_model  # a second of import that other jobs need not wait for

    config = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,
        target_modules="all-linear" if spec.target_modules is None else list(spec.target_modules),
        lora_dropout=0.0,
    )
    try:
        inject_adapter_in_model(config, model, ADAPTER)
    except ValueError as error:
        raise JobFailure("student_unsupported", f"training.lora.target_modules: {error}") from error


def adapted_layers(model: nn.Module) -> dict[str, Any]:
    """Every layer that carries an adapter, by its name in the plain model."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "get_delta_weight")}


def plain_name(name: str) -> str | None:
    """The name of a weight before adapters were added; None for a weight that only an adapter has."""
    return None if ".lora_" in name else name.replace(".base_layer.", ".")


def merged(weight: Tensor, layer: Any) -> Tensor:
    """The layer's plain weight: W + alpha / rank * B A (arXiv 2106.09685 section 4.1)."""
    both: Tensor = weight + layer.get_delta_weight(ADAPTER)
    return both
