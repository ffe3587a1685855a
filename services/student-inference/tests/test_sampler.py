"""The sampler's distribution, filters and noise."""

import math
from pathlib import Path

import pytest
import torch
from student_inference.sampler import SamplingBatch, draw, keep_likely, uniform

from .conftest import StartEngine
from .local import params
from .oracle import oracle_logprobs

DRAWS = 4000


def chi_square_limit(freedom: int) -> float:
    """Its 0.9999 quantile (Wilson and Hilferty 1931)."""
    part = 2 / (9 * freedom)
    return freedom * (1 - part + 3.719 * math.sqrt(part)) ** 3


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.6, 0), (1.0, 7)])
def test_sampled_distribution_is_the_oracles(
    student: Path, start_engine: StartEngine, temperature: float, top_k: int
) -> None:
    prompt = [5, 9, 30, 2]
    engine = start_engine(student)
    requests = [
        engine.submit(prompt, params(temperature=temperature, top_k=top_k, seed=seed, max_new_tokens=1))
        for seed in range(DRAWS)
    ]
    engine.wait(DRAWS)
    expected = oracle_logprobs(student, prompt, temperature)[-1].exp()
    if top_k:
        expected[expected < expected.topk(top_k).values[-1]] = 0.0
        expected /= expected.sum()
    counts = torch.bincount(torch.tensor([request.output[0] for request in requests]), minlength=len(expected))
    assert counts[expected == 0].sum() == 0
    frequent = expected * DRAWS >= 5
    rest = torch.tensor([expected[~frequent].sum() * DRAWS, counts[~frequent].sum()])
    statistic = ((counts - expected * DRAWS)[frequent] ** 2 / (expected * DRAWS)[frequent]).sum()
    if rest[0] >= 5:
        statistic += (rest[1] - rest[0]) ** 2 / rest[0]
    assert statistic < chi_square_limit(int(frequent.sum()))


def test_seeded_tokens_do_not_depend_on_the_batch(student: Path, start_engine: StartEngine) -> None:
    sampling = params(temperature=1.0, seed=42, max_new_tokens=24)
    prompt = [7, 8, 9, 10, 11]
    alone = start_engine(student).generate([prompt], sampling)[0].output
    engine = start_engine(student, max_running=16)
    for seed in range(20):
        engine.submit([3 + seed] * (seed + 1), params(temperature=0.9, seed=seed, max_new_tokens=5 + seed))
    crowded = engine.submit(prompt, sampling)
    engine.wait(21)
    assert crowded.output == alone
    assert engine.generate([prompt], params(temperature=1.0, seed=43, max_new_tokens=24))[0].output != alone


def test_filters_keep_what_they_promise() -> None:
    probabilities = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15]])

    def kept(**changes: float) -> list[int]:
        batch = SamplingBatch.of([params(temperature=1.0, **changes)], 5)
        return keep_likely(probabilities, batch).nonzero()[:, 1].tolist()

    assert kept(top_k=2) == [1, 3]
    assert kept(top_p=0.7) == [1, 3]
    assert kept(top_p=0.71) == [1, 3, 4]
    assert kept(min_p=0.3) == [1, 3, 4]
    assert kept(top_k=3, top_p=0.5) == [1, 3]
    assert kept(top_p=1e-9) == [1]


def test_uniforms_are_even_and_uncorrelated_along_positions_and_seeds() -> None:
    seeds = torch.arange(200).repeat_interleave(200)
    positions = torch.arange(200).repeat(200)
    numbers = uniform(seeds, positions)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = torch.histc(numbers, 64, 0, 1)
    expected = len(numbers) / 64
    assert ((counts - expected) ** 2 / expected).sum() < chi_square_limit(63)
    table = numbers.view(200, 200) - numbers.mean()
    for other in (table.roll(1, 0), table.roll(1, 1)):
        assert abs((table * other).mean() / table.square().mean()) < 4 / math.sqrt(len(numbers))


def test_a_token_without_probability_is_never_drawn() -> None:
    weights = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]]).repeat(3, 1)
    numbers = torch.tensor([0.0, 0.5, 1 - 2.0**-24])
    assert draw(weights, numbers).tolist() == [1, 3, 3]
