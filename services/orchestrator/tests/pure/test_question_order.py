"""Which questions make a batch."""

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.question_order import _batches, questions_of_step

pools = st.integers(1, 40).flatmap(lambda questions: st.tuples(st.just(questions), st.integers(1, questions)))


@given(pools, st.integers(0, 2**31 - 1), st.integers(1, 60))
def test_a_batch_has_different_questions_and_is_always_the_same(pool, seed, step):
    questions, per_step = pool
    batch = questions_of_step(questions, per_step, seed, step)
    assert len(set(batch)) == len(batch) == per_step
    assert set(batch) <= set(range(questions))
    assert batch == questions_of_step(questions, per_step, seed, step)


@given(pools, st.integers(0, 1000), st.integers(1, 30))
def test_epochs_are_covered_evenly(pool, seed, steps):
    """After any number of steps no question was asked more than once more often than another."""
    questions, per_step = pool
    asked = Counter(dict.fromkeys(range(questions), 0))
    for step in range(1, steps + 1):
        asked.update(questions_of_step(questions, per_step, seed, step))
    assert max(asked.values()) - min(asked.values()) <= 1


@given(pools, st.integers(0, 1000))
def test_an_epoch_asks_each_question_once(pool, seed):
    """Where epochs and batches meet, everything was asked equally often."""
    questions, per_step = pool
    asked = Counter(
        index for step in range(1, questions + 1) for index in questions_of_step(questions, per_step, seed, step)
    )
    assert set(asked.values()) == {per_step}
    assert len(asked) == questions


@given(pools, st.integers(0, 1000), st.integers(1, 100))
def test_starting_in_the_middle_gives_what_counting_from_the_start_gives(pool, seed, step):
    questions, per_step = pool
    counted = next(islice(_batches(questions, per_step, seed, first_epoch=0), step - 1, None))
    assert questions_of_step(questions, per_step, seed, step) == counted


def test_seeds_and_epochs_differ():
    first_epoch = questions_of_step(50, 50, 0, 1)
    assert first_epoch != questions_of_step(50, 50, 0, 2)
    assert first_epoch != questions_of_step(50, 50, 1, 1)
    assert sorted(first_epoch) == list(range(50))


def test_a_batch_larger_than_the_pool_is_refused():
    with pytest.raises(ValueError, match="5 different questions"):
        questions_of_step(4, 5, 0, 1)
