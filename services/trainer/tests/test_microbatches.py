"""Packing loses no token, orders by length, and stays under its budget."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from trainer.batch import assemble
from trainer.methods.annotation import over_tokens
from trainer.microbatches import by_length, pack

from .makers import episodes_of_step


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(64, 512))
def test_runs_hold_everything_once_sorted_and_under_budget(lengths: list[int], budget: int) -> None:
    runs = list(by_length(lengths, budget))
    order = [index for run in runs for index in run]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths)
    for run in runs:
        assert len(run) == 1 or len(run) * max(lengths[index] for index in run) <= budget


def test_every_student_token_is_packed_once_with_what_belongs_to_it() -> None:
    batch = assemble(1, episodes_of_step(1))
    marked = np.arange(batch.rows.raw_RK.size, dtype=np.float64).reshape(batch.rows.raw_RK.shape)
    found = []
    for micro in pack(batch.trajectories, over_tokens(batch, marked), 128):
        hidden_sees = micro.token_ids_BT[micro.rows_N, micro.positions_N + 1]
        assert hidden_sees.tolist() == micro.targets_N.tolist()
        columns = (micro.targets_N, micro.sampling_logprobs_N, micro.advantages_N)
        found += list(zip(*(column.tolist() for column in columns), strict=True))
    expected = [
        (token, np.float32(logprob), marked[rollout, k])
        for rollout, episode in enumerate(batch.episodes)
        for k, attempt in enumerate(episode.attempts)
        for token, logprob in zip(attempt.token_ids, attempt.logprobs, strict=True)
    ]
    assert sorted(found) == sorted(expected)
