"""Small weights are multiplied out of packed copies, which are made one layer at a step."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from student_inference.config import read_config
from student_inference.model import packed_bytes
from student_inference.products import LARGE, add_product, is_packed, packed, product, wide_product
from torch.nn.functional import linear

from .conftest import StartEngine
from .local import load, params

# More tokens, and fewer, than packing has in mind; one, and so few that they stand in columns otherwise.
TOKENS = (1, 3, 32, 100)


@pytest.mark.parametrize("tokens", TOKENS)
def test_packed_products_are_those_of_torch(tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((tokens, 48), (96, 48), (96,)))
    copy, total = packed(weight), torch.ones(tokens, 96)
    assert is_packed(copy)
    assert not is_packed(weight)
    with torch.inference_mode():
        add_product(total, x, copy)
        close = {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(product(x, copy), linear(x, weight), **close)
        torch.testing.assert_close(product(x, copy, bias), linear(x, weight, bias), **close)
        torch.testing.assert_close(wide_product(x, copy), linear(x, weight), **close)
        torch.testing.assert_close(total, 1 + linear(x, weight), **close)


def test_large_weights_and_half_precision_are_not_copied() -> None:
    for weight in (torch.zeros(1024, LARGE // 1024), torch.zeros(8, 8, dtype=torch.bfloat16)):
        assert packed(weight) is weight


def test_a_step_packs_one_layer_and_the_last_one_the_head(student: Path, start_engine: StartEngine) -> None:
    serving = start_engine(student)
    engine, counts = serving.engine, []
    weights = engine.model.weights
    pack = engine.model.pack

    def watched() -> None:
        pack()
        counts.append(sum(is_packed(layer.down) for layer in engine.model.layers) + is_packed(engine.model.head))

    engine.model.pack = watched  # type: ignore[method-assign]
    serving.generate([[2, 3, 4]], params(max_new_tokens=6))
    layers = engine.model.config.num_layers
    assert counts == [min(step, layers) + (step >= layers) for step in range(1, 6)]
    assert engine.model.weights is weights
    assert not any(is_packed(tensor) for tensor in (weights.head, weights.layers[0].down))


def test_packing_changes_no_more_than_rounding(student: Path) -> None:
    model = load(student)
    with torch.inference_mode():
        hidden = torch.randn(5, model.config.hidden_size, generator=torch.Generator().manual_seed(0))
        before = model.logits(hidden)
        for _ in model.layers:
            model.pack()
        assert is_packed(model.head)
        torch.testing.assert_close(model.logits(hidden), before, rtol=1e-5, atol=1e-5)


def test_the_memory_of_the_copies_is_known_beforehand(student: Path) -> None:
    tensors = load_file(student / "model.safetensors")
    names = [name for name in tensors if name.endswith(("_proj.weight", "lm_head.weight"))]
    head = {} if "lm_head.weight" in tensors else {"model.embed_tokens.weight"}
    config = read_config(student)
    assert packed_bytes(config, torch.float32) == sum(tensors[name].nbytes for name in {*names, *head})
    assert packed_bytes(config, torch.bfloat16) == 0
