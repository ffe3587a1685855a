"""Writes a student in Hugging Face layout, with a card that says how it was made and what it measures."""

from collections.abc import Mapping
from pathlib import Path

from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3ForCausalLM
from transformers.utils.logging import disable_progress_bar


def save(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """config.json, generation_config.json, model.safetensors, tokenizer files and chat template."""
    disable_progress_bar()
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=True, temperature=1.0
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    # safetensors writes through a private temporary file; weights to be shared are readable like the rest.
    (out / "model.safetensors").chmod(0o644)


def write_card(out: Path, title: str, made_by: str, story: str, figures: Mapping[str, float]) -> None:
    """README.md beside the weights."""
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in figures.items())
    table = f"| measured on the held-out questions | |\n|---|---|\n{rows}"
    text = f"# {title}\n\n{story}\n\nMade by\n\n    {made_by}\n\n{table}\n"
    (out / "README.md").write_text(text, encoding="utf-8")
