"""Attention over blocks against its definition in torch, and what blocks keep."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from student_inference.config import read_config
from student_inference.kernels import exact_exponential
from student_inference.pages import Pages
from torch import Tensor

BLOCKS, LAYER = 40, 1
LENGTHS = torch.tensor([1, 2, 7, 8, 9, 16, 23])


def filled(
    student: Path, dtype: torch.dtype, channels: int = 32, group: int = 2, block_size: int = 8, threads: int = 1
) -> Pages:
    config = replace(read_config(student), head_dim=channels, num_kv_heads=2, num_heads=2 * group)
    torch.manual_seed(0)
    pages = Pages(config, BLOCKS, block_size, dtype, threads)
    pages.keys_lbKDS.normal_()
    pages.values_lbKSD.normal_()
    return pages


def tables(pages: Pages) -> Tensor:
    """Blocks of each request, in no order."""
    width = math.ceil(int(LENGTHS.max()) / pages.block_size)
    return torch.randint(BLOCKS, (len(LENGTHS), width))


def by_definition(pages: Pages, q_BHD: Tensor, table_Bn: Tensor) -> Tensor:
    keys_BKLD, values_BKLD = pages.gather(LAYER, table_Bn)
    heads = q_BHD.shape[1] // keys_BKLD.shape[1]
    answers = []
    for q_HD, keys_KLD, values_KLD, length in zip(q_BHD, keys_BKLD, values_BKLD, LENGTHS.tolist(), strict=True):
        keys, values = (part[:, :length].double().repeat_interleave(heads, 0) for part in (keys_KLD, values_KLD))
        weights = torch.einsum("hd,hld->hl", q_HD.double(), keys).softmax(-1)
        answers.append(torch.einsum("hl,hld->hd", weights, values).flatten())
    return torch.stack(answers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("channels", "group", "block_size"), [(32, 2, 8), (12, 1, 8), (64, 7, 16), (20, 3, 12), (8, 2, 1)]
)
def test_a_query_sees_the_first_positions_of_its_request(
    student: Path, dtype: torch.dtype, channels: int, group: int, block_size: int
) -> None:
    pages = filled(student, dtype, channels, group, block_size)
    table_Bn = tables(pages)
    q_BHD = torch.randn(len(LENGTHS), 2 * group, channels).to(dtype) / math.sqrt(channels)
    answer = pages.attend(LAYER, q_BHD, table_Bn, LENGTHS)
    assert answer.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2  # bf16 keeps eight bits of a result
    assert torch.allclose(answer.double(), by_definition(pages, q_BHD, table_Bn), rtol=tolerance, atol=tolerance)


def test_scores_may_lie_far_apart(student: Path) -> None:
    """Beyond what exp can tell from nothing, or hold: up to some hundreds."""
    pages = filled(student, torch.float32)
    table_Bn, q_BHD = tables(pages), 30 * torch.randn(len(LENGTHS), 4, 32)
    assert q_BHD.norm(dim=-1).max() > 88
    answer = pages.attend(LAYER, q_BHD, table_Bn, LENGTHS).double()
    assert torch.allclose(answer, by_definition(pages, q_BHD, table_Bn), rtol=1e-3, atol=1e-3)


def test_a_block_that_its_request_has_not_come_to_is_not_read(student: Path) -> None:
    pages = filled(student, torch.float32)
    table_Bn, q_BHD = torch.arange(3 * len(LENGTHS)).view(-1, 3), torch.randn(len(LENGTHS), 4, 32)
    clean = pages.attend(LAYER, q_BHD, table_Bn, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        for part in (pages.keys_lbKDS, pages.values_lbKSD):
            part[LAYER, table_Bn[row, math.ceil(length / 8) :]] = float("nan")
    assert torch.equal(pages.attend(LAYER, q_BHD, table_Bn, LENGTHS), clean)


@pytest.mark.parametrize("threads", [2, 16])
def test_no_answer_depends_on_who_else_is_in_the_batch_or_on_threads(student: Path, threads: int) -> None:
    pages, parallel = filled(student, torch.float32), filled(student, torch.float32, threads=threads)
    table_Bn, q_BHD = tables(pages), torch.randn(len(LENGTHS), 4, 32)
    together = pages.attend(LAYER, q_BHD, table_Bn, LENGTHS)
    assert torch.equal(parallel.attend(LAYER, q_BHD, table_Bn, LENGTHS), together)
    for row, answer in enumerate(together):
        one = slice(row, row + 1)
        assert torch.equal(pages.attend(LAYER, q_BHD[one], table_Bn[one], LENGTHS[one])[0], answer)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["keys_lbKDS", "values_lbKSD"])
def test_what_is_not_a_number_is_not_hidden_and_stays_with_its_request(student: Path, part: str, bad: float) -> None:
    pages = filled(student, torch.float32)
    table_Bn = torch.arange(3 * len(LENGTHS)).view(-1, 3)
    q_BHD = torch.randn(len(LENGTHS), 4, 32).abs()
    clean = pages.attend(LAYER, q_BHD, table_Bn, LENGTHS)
    getattr(pages, part)[LAYER, table_Bn[2, 0]] = bad
    answer = pages.attend(LAYER, q_BHD, table_Bn, LENGTHS)
    assert not answer[2].isfinite().any()
    others = torch.arange(len(LENGTHS)) != 2
    assert torch.equal(answer[others], clean[others])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_stored_lies_at_its_position(student: Path, dtype: torch.dtype) -> None:
    pages = filled(student, dtype)
    before = pages.gather(LAYER, torch.arange(BLOCKS).unsqueeze(0))
    blocks_BS, positions_BS = torch.tensor([[4, 4], [9, 2]]), torch.tensor([[5, 6], [15, 16]])
    new = torch.randn(4, 6, 32).to(dtype)  # as parts of one product: neither is contiguous
    pages.store(LAYER, pages.slots(blocks_BS, positions_BS), new[:, 2:4], new[:, 4:])
    expected = [part.clone() for part in before]
    for token, place in enumerate([4 * 8 + 5, 4 * 8 + 6, 9 * 8 + 7, 2 * 8]):
        expected[0][0, :, place], expected[1][0, :, place] = new[token, 2:4], new[token, 4:]
    for found, wanted in zip(pages.gather(LAYER, torch.arange(BLOCKS).unsqueeze(0)), expected, strict=True):
        assert torch.equal(found, wanted)


def test_the_exponential_is_exact_to_the_last_digits() -> None:
    exp = exact_exponential()
    xs = np.linspace(-86, 0, 10_001, dtype=np.float32)
    found = np.array([exp(x) for x in xs], np.float64)
    assert np.abs(found / np.exp(xs.astype(np.float64)) - 1).max() < 2e-7
    assert 0 <= exp(np.float32(-1e30)) < 1e-37
    assert math.isnan(exp(np.float32("nan")))
