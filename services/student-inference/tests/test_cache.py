"""Reuse of prefixes: equal results, bounded memory, and never across a swap."""

from pathlib import Path

import pytest
import torch
from student_inference.cache import BlockCache
from student_inference.config import read_config

from .conftest import StartEngine
from .local import load, params
from .oracle import chosen, near, oracle_logprobs

PROMPT = list(range(2, 31))


def test_attempts_of_an_episode_reuse_their_prefix(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    [first] = engine.generate([PROMPT], params(max_new_tokens=12))
    context = [*first.tokens, 40, 41, 42, 43]
    [second] = engine.generate([context], params(max_new_tokens=12))
    # 29 + 12 tokens, of which the last was never fed back: five full blocks of eight.
    assert (first.cached_tokens, second.cached_tokens) == (0, 40)
    assert second.output == start_engine(student).generate([context], params(max_new_tokens=12))[0].output
    assert near(second.logprobs, chosen(oracle_logprobs(student, second.tokens), context, second.output))


def test_members_of_a_group_compute_their_prompt_once(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    members = engine.generate([PROMPT] * 8)
    assert sorted(member.cached_tokens for member in members) == [0] + [24] * 7
    assert len({tuple(member.output) for member in members}) == 1


def test_a_salt_keeps_prefixes_apart(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    engine.generate([PROMPT], cache_salt="a")
    assert engine.generate([PROMPT], cache_salt="b")[0].cached_tokens == 0
    assert engine.generate([PROMPT], cache_salt="a")[0].cached_tokens == 24


@pytest.mark.parametrize("flush", [True, False])
def test_prefixes_of_old_weights_are_not_reused(
    student: Path, other_student: Path, start_engine: StartEngine, flush: bool
) -> None:
    engine = start_engine(student)
    engine.generate([PROMPT])
    engine.command(lambda: engine.engine.swap(load(other_student), "v1", flush))
    [request] = engine.generate([PROMPT])
    assert request.cached_tokens == 0
    assert near(request.logprobs, chosen(oracle_logprobs(other_student, request.tokens), PROMPT, request.output))


def test_more_requests_than_memory_wait_their_turn(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student, tokens=80)
    requests = engine.generate([[token] * 20 for token in range(2, 22)], params(max_new_tokens=12))
    roomy = start_engine(student).generate([[token] * 20 for token in range(2, 22)], params(max_new_tokens=12))
    assert [request.output for request in requests] == [request.output for request in roomy]
    assert engine.engine.cache.available == 10


def test_the_oldest_unused_prefix_makes_room_tail_first(student: Path) -> None:
    cache = BlockCache(read_config(student), num_blocks=4, block_size=2, dtype=torch.float32)

    def run(tokens: list[int]) -> int:
        shared, _ = cache.match("root", tokens, len(tokens))
        chain = cache.reserve("root", shared, cache.blocks_for(len(tokens)))
        assert chain is not None
        cache.publish(chain, tokens, len(tokens))
        cache.release(chain)
        return len(shared)

    assert run([1, 2, 3, 4, 5, 6]) == 0
    assert run([7, 8, 9, 10]) == 0
    assert cache.match("root", [1, 2, 3, 4, 5, 6], 6)[0] == cache.match("root", [1, 2, 3, 4], 4)[0]
    assert run([1, 2, 3, 4]) == 2
    assert cache.reserve("root", [], 5) is None
    assert cache.available == 4


def test_fresh_blocks_come_in_the_order_in_which_they_lie(student: Path) -> None:
    """Decoding reads them faster so."""
    cache = BlockCache(read_config(student), num_blocks=6, block_size=2, dtype=torch.float32)
    chains = [cache.reserve("root", [], 2) for _ in range(3)]
    for chain in chains:
        assert chain is not None
        cache.release(chain)
    again = cache.reserve("root", [], 6)
    assert again is not None
    assert again.blocks == [1, 2, 3, 4, 5, 6]


def test_a_shared_block_does_not_count_as_room_for_fresh_ones(student: Path) -> None:
    cache = BlockCache(read_config(student), num_blocks=2, block_size=2, dtype=torch.float32)
    chain = cache.reserve("root", [], 1)
    assert chain is not None
    cache.publish(chain, [1, 2], 2)
    cache.release(chain)
    shared, _ = cache.match("root", [1, 2], 2)
    assert cache.reserve("root", shared, 3) is None
    assert cache.reserve("root", shared, 2) is not None


def test_equal_tokens_under_different_parents_are_different_blocks(student: Path) -> None:
    cache = BlockCache(read_config(student), num_blocks=8, block_size=2, dtype=torch.float32)
    chain = cache.reserve("root", [], 2)
    assert chain is not None
    cache.publish(chain, [1, 2, 3, 4], 4)
    assert cache.match("root", [3, 4], 2)[0] == []
    assert cache.match("other root", [1, 2], 2)[0] == []
    assert len(cache.match("root", [1, 2, 3, 4], 4)[0]) == 2


def test_a_scrubbed_chain_is_empty_and_never_found(student: Path) -> None:
    cache = BlockCache(read_config(student), num_blocks=8, block_size=2, dtype=torch.float32)
    chain = cache.reserve("root", [], 3)
    assert chain is not None
    cache.pages.keys_lbKDS.fill_(float("nan"))
    cache.pages.values_lbKSD.fill_(float("nan"))
    cache.publish(chain, [1, 2, 3, 4, 5, 6], 2)
    cache.scrub(chain)
    cache.publish(chain, [1, 2, 3, 4, 5, 6], 6)
    assert cache.match("root", [1, 2, 3, 4, 5, 6], 6)[0] == []
    keys, values = cache.pages.gather(1, torch.tensor([[0, *chain.blocks]]))
    assert not keys.any()
    assert not values.any()
