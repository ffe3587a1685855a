"""The life of a job."""

import pytest
from contracts.errors import Problem
from contracts.statuses import TERMINAL, TRANSITIONS, JobStatus, check_transition, sources_of

PAIRS = [(current, target) for current in JobStatus for target in JobStatus]


def reachable(start: JobStatus) -> set[JobStatus]:
    seen, frontier = {start}, [start]
    while frontier:
        for status in TRANSITIONS[frontier.pop()] - seen:
            seen.add(status)
            frontier.append(status)
    return seen


def test_the_table_is_the_one_of_the_design() -> None:
    """validating > queued > running > succeeded | failed; running <> pausing > paused > queued; live > cancelling."""
    arrows = {f"{current}>{target}" for current, target in PAIRS if target in TRANSITIONS[current]}
    path = ["validating>queued", "queued>running", "running>succeeded", "running>failed"]
    pause = ["running>pausing", "pausing>paused", "pausing>running", "paused>queued"]
    assert arrows >= {*path, *pause, "cancelling>cancelled"}
    live = set(JobStatus) - TERMINAL - {JobStatus.CANCELLING}
    assert all(JobStatus.CANCELLING in TRANSITIONS[status] for status in live)


def test_every_status_is_reached_and_every_life_can_end() -> None:
    assert reachable(JobStatus.VALIDATING) == set(JobStatus)
    assert all(reachable(status) & TERMINAL for status in JobStatus)


def test_terminal_statuses_are_final_and_no_others() -> None:
    assert {status for status in JobStatus if not TRANSITIONS[status]} == TERMINAL


@pytest.mark.parametrize(("current", "target"), PAIRS)
def test_a_step_outside_the_table_is_a_conflict(current: JobStatus, target: JobStatus) -> None:
    assert (current in sources_of(target)) == (target in TRANSITIONS[current])
    if target in TRANSITIONS[current]:
        check_transition(current, target)
        return
    with pytest.raises(Problem) as caught:
        check_transition(current, target)
    assert (caught.value.status, caught.value.code) == (409, "illegal_transition")
    assert current in caught.value.detail
    assert target in caught.value.detail
