"""Model directories that must be refused, with a message that names what is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from student_inference.config import ModelError, read_config, read_eos_ids, read_rope
from student_inference.loading import load_weights
from transformers import AutoModelForCausalLM, Qwen3Config

from .oracle import SHAPE, make_student

Spoil = Callable[[Path], object]


def edit_config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_tensors(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors", {"format": "pt"})


def cut_off(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def poison(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.norm.weight"][3] = float("nan")


SPOILS: dict[str, Spoil] = {
    "cannot be read": lambda path: (path / "config.json").unlink(),
    "not valid JSON": lambda path: (path / "config.json").write_text("{"),
    "differs from the served model": lambda path: edit_config(path, intermediate_size=40),
    "missing shard": lambda path: (path / "model.safetensors").unlink(),
    "corrupt safetensors": cut_off,
    "1 tensors are missing, first 'model.norm.weight'": lambda path: edit_tensors(
        path, lambda tensors: tensors.pop("model.norm.weight")
    ),
    "unknown tensor 'extra'": lambda path: edit_tensors(path, lambda tensors: tensors.update(extra=torch.ones(1))),
    r"model.norm.weight: shape \[5\], expected \[32\]": lambda path: edit_tensors(
        path, lambda tensors: tensors.update({"model.norm.weight": torch.ones(5)})
    ),
    "NaN": lambda path: edit_tensors(path, poison),
    "plain file name": lambda path: (path / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"model.norm.weight": "../first/model.safetensors"}})
    ),
}


@pytest.mark.parametrize("message", SPOILS)
def test_a_bad_checkpoint_is_refused(student: Path, tmp_path: Path, message: str) -> None:
    served = read_config(student)
    bad = Path(shutil.copytree(student, tmp_path / "bad"))
    load_weights(bad, served, torch.float32)
    SPOILS[message](bad)
    with pytest.raises(ModelError, match=message):
        load_weights(bad, served, torch.float32)


def test_a_missing_shard_of_several_is_refused(tmp_path: Path) -> None:
    sharded = make_student(tmp_path / "sharded", "qwen3", seed=0, max_shard_size="20KB")
    sorted(sharded.glob("*.safetensors"))[1].unlink()
    with pytest.raises(ModelError, match="missing shard"):
        load_weights(sharded, read_config(sharded), torch.float32)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architectures", ["MambaForCausalLM"]),
        ("hidden_act", "gelu"),
        ("use_sliding_window", True),
        ("layer_types", ["full_attention", "sliding_attention", "full_attention"]),
        ("quantization_config", {"quant_method": "fp8"}),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 1.0}),
        ("rope_parameters", {"rope_type": "llama3", "rope_theta": 1.0}),
        ("num_key_value_heads", 3),
        ("vocab_size", "many"),
    ],
)
def test_a_model_that_would_be_computed_wrongly_is_refused(
    student: Path, tmp_path: Path, key: str, value: object
) -> None:
    other = Path(shutil.copytree(student, tmp_path / "other"))
    edit_config(other, **{key: value})
    with pytest.raises(ModelError, match=r"config\.json"):
        read_config(other)


ROPES: list[tuple[dict[str, Any], float, dict[str, float]]] = [
    ({}, 10_000.0, {}),
    ({"rope_theta": 500.0}, 500.0, {}),  # transformers 4
    ({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0}}, 500.0, {"factor": 2.0}),
    ({"rope_parameters": {"rope_theta": 700.0, "rope_type": "default"}}, 700.0, {}),  # transformers 5
]


@pytest.mark.parametrize(("given", "theta", "scaling"), ROPES)
def test_the_rotary_embedding_is_read_from_old_and_new_layouts(
    given: dict[str, Any], theta: float, scaling: dict[str, float]
) -> None:
    assert read_rope(given) == (theta, tuple(scaling.items()))


@pytest.mark.parametrize(
    ("left_out", "key", "value"),
    [
        ("head_dim", "head_dim", 8),
        ("num_key_value_heads", "num_kv_heads", 4),
        ("tie_word_embeddings", "tied_head", False),
    ],
)
def test_what_a_config_leaves_out_is_what_transformers_takes(
    student: Path, tmp_path: Path, left_out: str, key: str, value: object
) -> None:
    """hidden_size / num_attention_heads channels, a key/value head for each query head, a head of its own."""
    other = Path(shutil.copytree(student, tmp_path / "other"))
    path = other / "config.json"
    config = json.loads(path.read_text())
    del config[left_out]
    path.write_text(json.dumps(config))
    assert getattr(read_config(other), key) == value


def test_end_tokens_of_both_files_count(student: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(student, tmp_path / "other"))
    (other / "generation_config.json").write_text(json.dumps({"eos_token_id": [4, 5]}))
    assert read_eos_ids(other) == {1, 4, 5}


def test_heads_of_two_channels_have_their_norms(tmp_path: Path) -> None:
    """Where turning channels into another order changes nothing, there are still as many norms as heads."""
    torch.manual_seed(6)
    model = AutoModelForCausalLM.from_config(Qwen3Config(**SHAPE, head_dim=2, tie_word_embeddings=True))
    attention = model.model.layers[0].self_attn
    for norm in (attention.q_norm, attention.k_norm):
        norm.weight.data.normal_()
    model.save_pretrained(tmp_path)
    weights = load_weights(tmp_path, read_config(tmp_path), torch.float32)
    expected = [attention.q_norm.weight] * SHAPE["num_attention_heads"]
    expected += [attention.k_norm.weight] * SHAPE["num_key_value_heads"]
    assert torch.equal(weights.layers[0].qk_norm, torch.stack(expected))
