"""How long to wait before asking again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teacher_gateway.retries import LONGEST_PAUSE_SECONDS, RETRY_AFTER_SPREAD_SECONDS, pause_before


@given(st.integers(1, 12))
def test_pauses_double_up_to_the_longest_and_are_spread_over_half_of_it(attempt: int) -> None:
    longest = min(8.0, 0.25 * 2 ** (attempt - 1))
    assert longest / 2 <= pause_before(attempt, None) <= longest <= LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize("retry_after", [None, 3])
def test_episodes_that_fail_together_do_not_come_back_together(retry_after: int | None) -> None:
    pauses = [pause_before(3, retry_after) for _ in range(200)]
    assert max(pauses) - min(pauses) > 0.3  # of half a second, over which either is spread evenly


@given(st.integers(1, 12), st.integers(0, 100))
def test_the_teachers_wish_is_never_undercut(attempt: int, retry_after: int) -> None:
    assert retry_after <= pause_before(attempt, retry_after) <= retry_after + RETRY_AFTER_SPREAD_SECONDS
