"""The window of the running requests: what is left in a row must not reach whoever gets it next."""

from pathlib import Path

import pytest
import torch
from student_inference.cache import BlockCache
from student_inference.config import read_config
from student_inference.request import Request
from student_inference.window import Window

from .local import params


def test_a_scrubbed_row_is_clean_for_whoever_gets_it_next(student: Path) -> None:
    cache = BlockCache(read_config(student), num_blocks=128, block_size=8, dtype=torch.float32)
    window = Window(cache)
    layers, channels = len(cache.storage), cache.storage.shape[-1]

    def arrive(prompt_tokens: int, new_tokens: int) -> Request:
        request = Request("r", [2] * prompt_tokens, params(max_new_tokens=new_tokens), output=[2])
        request.chain = cache.reserve("root", [], cache.blocks_for(request.reserved))
        return request

    staying, broken = arrive(20, 10), arrive(20, 10)
    order = window.seat([staying, broken])
    assert order
    new_BKD = torch.ones(2, cache.kv_heads, channels)
    new_BKD[order.index(broken)] = float("nan")
    for _ in range(6):
        for layer in range(layers):
            window.extend(layer, new_BKD, new_BKD)
        window.advance()
        staying.output.append(2)
        broken.output.append(2)
    assert broken.chain
    window.scrub(broken.chain)

    # Shorter than what the broken request left in the columns that are read.
    newcomer = arrive(2, 2)
    assert window.seat([staying, newcomer])
    for layer in range(layers):
        keys, values = window.extend(layer, torch.zeros_like(new_BKD), torch.zeros_like(new_BKD))
        assert keys.shape[2] > 20
        assert keys.isfinite().all()
        assert values.isfinite().all()


@pytest.mark.parametrize(("blocks", "fits"), [(16 * 64 // 8, True), (16 * 64 // 8 - 1, False)])
def test_it_never_holds_more_positions_than_the_cache(student: Path, blocks: int, fits: bool) -> None:
    """It grows by 16 rows of 64 columns."""
    cache = BlockCache(read_config(student), num_blocks=blocks, block_size=8, dtype=torch.float32)
    request = Request("r", [2] * 20, params(max_new_tokens=10), output=[2])
    request.chain = cache.reserve("root", [], cache.blocks_for(request.reserved))
    assert (Window(cache).seat([request]) is not None) == fits
