"""What is due: decisions without I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.deadlines import Patience, deadline_of
from orchestrator.schedule import (
    JobState,
    OpenBatch,
    chunks_due,
    evaluation_due,
    is_finished,
    steps_to_open,
    to_roll_out,
    waiting_for,
)
from orchestrator.settings import OrchestratorSettings


@pytest.fixture
def state(job_spec):
    """State of a job of 10 steps with evaluations every 4; keywords change it."""

    def make(version, train=(), evaluated=(0, 4, 8), staleness=0, **changes):
        spec = job_spec({"training.steps": 10, "evaluation.every": 4, "rollout.max_staleness": staleness})
        batches = {batch.step: batch for batch in train}
        fields = {"evaluation": None, "trainer_alive": True, "workers_alive": True, **changes}
        return JobState(spec, version, frozenset(evaluated), batches, **fields)

    return make


def batch(step, arrived, purpose="train"):
    return OpenBatch(purpose, step, max(0, step - 1), 8, arrived)


def test_evaluations_come_first_every_n_and_last(job_spec):
    spec = job_spec({"training.steps": 10, "evaluation.every": 4})
    assert [step for step in range(11) if spec.evaluates_at(step)] == [0, 4, 8, 10]
    assert evaluation_due(spec, None, frozenset()) is None
    assert evaluation_due(spec, 4, frozenset({0})) == 4
    assert evaluation_due(spec, 4, frozenset({0, 4})) is None
    assert evaluation_due(spec, 5, frozenset({0, 4})) is None


def test_on_policy_opens_one_batch_at_a_time(state):
    assert steps_to_open(state(None)) == []
    assert steps_to_open(state(0)) == [1]
    assert steps_to_open(state(5, [batch(6, 3)])) == []
    assert steps_to_open(state(10)) == []


def test_staleness_opens_ahead(state):
    assert steps_to_open(state(5, staleness=2)) == [6, 7, 8]
    assert steps_to_open(state(6, [batch(7, 8), batch(8, 0)], staleness=2)) == [9]
    assert steps_to_open(state(9, staleness=2)) == [10]


def test_no_batch_opens_behind_an_evaluation_that_is_not_recorded(state):
    assert steps_to_open(state(0, evaluated=())) == []
    assert steps_to_open(state(3, evaluated=(0,), staleness=3)) == [4], "batch 5 would be trained during evaluation 4"
    assert steps_to_open(state(4, evaluated=(0,), staleness=3)) == []
    assert steps_to_open(state(4, evaluated=(0, 4), staleness=3)) == [5, 6, 7, 8]


@given(version=st.integers(0, 10), staleness=st.integers(0, 4), recorded=st.sets(st.sampled_from([0, 4, 8, 10])))
def test_opened_batches_are_within_the_staleness_and_before_any_missing_evaluation(
    job_spec, version, staleness, recorded
):
    spec = job_spec({"training.steps": 10, "evaluation.every": 4, "rollout.max_staleness": staleness})
    opened = steps_to_open(JobState(spec, version, frozenset(recorded), {}, None, True, True))
    for step in opened:
        assert version < step <= 10
        assert step - 1 - version <= staleness
        assert all(point in recorded for point in (0, 4, 8, 10) if version <= point < step)


def test_incomplete_batches_are_rolled_out_the_evaluation_first(state):
    held_out = batch(4, 2, "eval")
    assert to_roll_out(state(4, evaluation=held_out)) == [held_out]
    assert to_roll_out(state(4, [batch(6, 0), batch(5, 8)])) == [batch(6, 0)]


def test_a_job_is_finished_when_its_last_policy_is_evaluated(state):
    assert not is_finished(state(10, evaluated=(0, 4, 8)))
    assert is_finished(state(10, evaluated=(0, 4, 8, 10)))
    assert not is_finished(state(9, evaluated=(0, 4, 8, 10)))


def test_chunks_are_due_once_and_again_when_their_message_may_be_lost():
    assert chunks_due(3, {}, now=1000.0) == [0, 1, 2]
    assert chunks_due(3, {0: 999.0, 1: 985.0, 2: 996.0}, now=1000.0) == [1]


def test_a_chunk_that_was_sent_before_the_clock_was_set_back_is_due():
    assert chunks_due(2, {0: 4600.0, 1: 999.0}, now=1000.0) == [0]


def test_the_wait_reason_names_what_is_missing(state):
    assert waiting_for(state(None)).text == "trainer: publishing the base policy"
    assert waiting_for(state(None, trainer_alive=False)).text == "trainer: no trainer is alive"
    assert waiting_for(state(5, [batch(6, 3)])).text == "rollout: 3 of 8 episodes of step 6"
    throttled = waiting_for(state(5, [batch(6, 3)], throttled_by="openai"))
    assert throttled.text == "teacher_rate_limited: openai; rollout: 3 of 8 episodes of step 6"
    assert waiting_for(state(5, [batch(6, 3)], workers_alive=False)).text == "workers: no rollout worker is alive"
    assert waiting_for(state(5, [batch(6, 8)])).text == "trainer: updating on step 6"
    assert waiting_for(state(5, [batch(6, 8)], trainer_alive=False)).text == "trainer: no trainer is alive"
    held_out = batch(4, 2, "eval")
    assert waiting_for(state(4, evaluation=held_out)).text == "evaluation: 2 of 8 questions of policy 4"


def test_the_deadline_starts_anew_with_any_progress(state):
    patience = Patience()
    waits = [waiting_for(state(5, [batch(6, arrived)])) for arrived in (3, 3, 4)]
    waited = [patience.waited((wait.kind, wait.mark), now) for wait, now in zip(waits, (10.0, 70.0, 90.0), strict=True)]
    assert waited == [0.0, 60.0, 0.0]


def test_every_wait_has_a_deadline_with_advice(state, job_spec):
    settings = OrchestratorSettings(trainer_missing_seconds=1, workers_missing_seconds=2, trainer_stalled_seconds=3)
    spec = job_spec({"rollout.episode_timeout_seconds": 30})
    waits = [
        waiting_for(state(None, trainer_alive=False)),
        waiting_for(state(5, [batch(6, 3)], workers_alive=False)),
        waiting_for(state(5, [batch(6, 8)])),
        waiting_for(state(5, [batch(6, 3)])),
    ]
    deadlines = [deadline_of(wait, spec, settings) for wait in waits]
    assert [deadline.seconds for deadline in deadlines] == [1, 2, 3, 330]
    assert [deadline.code for deadline in deadlines] == [
        "trainer_missing",
        "workers_missing",
        "trainer_stalled",
        "rollout_stalled",
    ]
    assert all(deadline.advice for deadline in deadlines)
