"""Packing loses no token, lays shared prompts once, orders by length, and stays under its budget."""

import numpy as np
from contracts.trajectories import CONTEXT, Trajectory
from hypothesis import given
from hypothesis import strategies as st
from trainer.batch import assemble
from trainer.layout import lay
from trainer.methods.annotation import over_tokens
from trainer.microbatches import pack, runs

from .makers import episodes_of_step


@st.composite
def batches(draw: st.DrawFn) -> list[Trajectory]:
    """Groups of trajectories behind one prompt each, in any order."""
    groups = draw(st.lists(st.lists(st.integers(1, 200), min_size=1, max_size=6), max_size=6))
    found = []
    for group, lengths in enumerate(groups):
        prompt = [group] * draw(st.integers(1, 60))
        for length in lengths:
            attempts = [CONTEXT] * len(prompt) + [1] * length
            found.append(Trajectory(prompt + [9] * length, attempts, [0.0] * len(attempts), attempts))
    return draw(st.permutations(found))


@given(batches(), st.integers(64, 512))
def test_runs_hold_everything_once_shortest_groups_first_under_budget(
    trajectories: list[Trajectory], budget: int
) -> None:
    found = list(runs(trajectories, budget))
    order = [index for run in found for index in run]
    assert sorted(order) == list(range(len(trajectories)))
    groups = [trajectories[index].token_ids_T[0] for index in order]
    longest = [max(len(item.token_ids_T) for item in trajectories if item.token_ids_T[0] == group) for group in groups]
    assert longest == sorted(longest)
    for run in found:
        rows = [trajectories[index] for index in run]
        prompts = {tuple(item.token_ids_T[: item.attempt_T.index(1)]) for item in rows}
        laid = sum(map(len, prompts)) + sum(item.attempt_T.count(1) for item in rows)
        assert len(lay(rows)[0]) == laid
        assert len(run) == 1 or laid <= budget


def test_every_student_token_is_packed_once_with_what_belongs_to_it() -> None:
    batch = assemble(1, episodes_of_step(1))
    marked = np.arange(batch.rows.raw_RK.size, dtype=np.float64).reshape(batch.rows.raw_RK.shape)
    found = []
    for micro in pack(batch.trajectories, over_tokens(batch, marked), 128):
        rows_BT = micro.layout.unrolled(micro.token_ids_U)
        assert rows_BT[micro.strands_N, micro.columns_N].tolist() == micro.targets_N.tolist()
        before_N = rows_BT[micro.strands_N, micro.columns_N - 1]
        assert micro.token_ids_U[micro.places_N].tolist() == before_N.tolist()
        columns = (micro.targets_N, micro.sampling_logprobs_N, micro.advantages_N)
        found += list(zip(*(column.tolist() for column in columns), strict=True))
    expected = [
        (token, np.float32(logprob), marked[rollout, k])
        for rollout, episode in enumerate(batch.episodes)
        for k, attempt in enumerate(episode.attempts)
        for token, logprob in zip(attempt.token_ids, attempt.logprobs, strict=True)
    ]
    assert sorted(found) == sorted(expected)
