"""What a step leaves for its readers: the record, the archive, the log, the metrics."""

import mmap
import random
from pathlib import Path

import msgspec
import pytest
from contracts.methods import SocraticPO
from contracts.records import StepRecord
from prometheus_client import CollectorRegistry
from rewards.decay import batch_mean
from trainer.archive import StepLog, archive_batch, read_batch
from trainer.batch import assemble
from trainer.diagnostics import UpdateReport
from trainer.memory import Memory, memory_now
from trainer.meters import Meters
from trainer.methods import annotate
from trainer.step_record import leak_rate, measured, opened_at, record_of

from .makers import JOB, attempt, episode, episodes_of_step, guidance

REPORT = UpdateReport(
    loss=0.5,
    gradient_norm=2.0,
    clip_fraction=0.1,
    approximate_kl=0.01,
    entropy=1.5,
    logprob_gap_max=1e-6,
    logprob_gap_mean=1e-7,
    student_tokens=40,
    updates=1,
)


def record(rewards: list[list[float]], step: int = 1) -> StepRecord:
    rng = random.Random(0)
    batch = assemble(step, [episode(rng, row, sample=sample, step=step) for sample, row in enumerate(rewards)])
    return record_of(batch, annotate(batch, SocraticPO()), REPORT)


def test_figure_2_as_a_record() -> None:
    found = record([[0, 1], [0, 0, 1], [1], [0, 0, 1]])
    assert (found.unassisted_accuracy, found.guided_accuracy, found.decay_factor) == (0.25, 1.0, 0.25)
    assert found.mean_reward_raw == pytest.approx(4 / 9)
    assert found.mean_reward_decayed == pytest.approx((1.25 + 2.5 / 7) / 9)
    assert [(line.rows, line.correct) for line in found.attempts] == [(4, 1), (3, 1), (2, 2)]
    assert [line.decay_factor for line in found.attempts] == [1.0, 0.25, 1.25 / 7]
    first, second, third = found.attempts
    assert first.mean_advantage_correct is not None
    assert second.mean_advantage_correct is not None
    assert first.mean_advantage_correct > second.mean_advantage_correct > 0 > (first.mean_advantage_wrong or 0)
    assert third.mean_advantage_wrong is None
    assert third.mean_advantage == third.mean_advantage_correct
    assert first.mean_advantage == pytest.approx(
        ((first.mean_advantage_correct or 0) + 3 * (first.mean_advantage_wrong or 0)) / 4
    )
    assert (found.teacher_calls, found.teacher_price_usd) == (5, 1.25)
    assert found.staleness_max == 0
    assert not found.cold


@pytest.mark.parametrize(("leaked", "rate"), [([], None), ([None], None), ([True, False, None, False], 1 / 3)])
def test_the_leak_rate_is_that_of_judged_guidance(leaked: list[bool | None], rate: float | None) -> None:
    told = [msgspec.structs.replace(guidance(random.Random(0)), leaked=found) for found in leaked]
    assert leak_rate(told) == rate


def test_the_leak_rate_stands_in_the_record() -> None:
    made = episode(random.Random(0), [0, 0, 1], sample=0, step=1)
    told = [
        msgspec.structs.replace(one, leaked=leaked) for one, leaked in zip(made.guidances, [True, False], strict=True)
    ]
    batch = assemble(1, [msgspec.structs.replace(made, guidances=told)])
    assert record_of(batch, annotate(batch, SocraticPO()), REPORT).guidance_leak_rate == 0.5


def test_answers_that_could_not_be_checked_are_counted_and_out_of_form() -> None:
    made = episode(random.Random(0), [0, 0, 1], sample=0, step=1)
    outcomes = ("unverified", "malformed", "correct")
    told = [msgspec.structs.replace(one, outcome=outcome) for one, outcome in zip(made.attempts, outcomes, strict=True)]
    batch = assemble(1, [msgspec.structs.replace(made, attempts=told)])
    found = record_of(batch, annotate(batch, SocraticPO()), REPORT)
    assert (found.unverified_attempts, found.format_rate) == (1, 1 / 3)


def test_times_are_of_the_step() -> None:
    found = measured(
        record([[1], [0]]), opened_at=100.0, published_at=104.0, phase_seconds={"update": 0.5}, memory=Memory(7, 9)
    )
    assert (found.seconds, found.episodes_per_second, found.tokens_per_second) == (4.0, 0.5, 10.0)
    assert found.update_tokens_per_second == 2 * found.trajectory_tokens
    assert (found.memory_bytes, found.memory_peak_bytes) == (7, 9)
    assert opened_at(episodes_of_step(3)) == 1003.0


def test_any_decay_can_be_computed_again_from_the_archive(tmp_path: Path) -> None:
    episodes = episodes_of_step(1)
    archive_batch(tmp_path, JOB, 1, episodes)
    again = read_batch(tmp_path, JOB, 1)
    assert again == episodes
    assert batch_mean(assemble(1, again).rows).factors == batch_mean(assemble(1, episodes).rows).factors


def test_the_log_holds_each_step_once_and_heals_a_torn_line(tmp_path: Path) -> None:
    log = StepLog(tmp_path, JOB)
    log.append(record([[1]], step=1))
    log.append(record([[1]], step=2))
    with log.path.open("a") as file:
        file.write('{"step": 3, "episo')
    after_crash = StepLog(tmp_path, JOB)
    for step in (2, 3):
        after_crash.append(record([[1]], step=step))
    lines = [StepRecord.model_validate_json(line) for line in log.path.read_text().splitlines()]
    assert [line.step for line in lines] == [1, 2, 3]


def test_metrics_follow_the_records() -> None:
    registry = CollectorRegistry()
    meters = Meters(registry)
    meters.on_step(record([[0, 1], [1]]))
    meters.on_step(record([[0, 0], [0, 1]]))
    assert registry.get_sample_value("socratic_training_steps_total") == 2
    assert registry.get_sample_value("socratic_cold_batches_total") == 1
    assert registry.get_sample_value("socratic_zero_gradient_batches_total") == 1
    assert registry.get_sample_value("socratic_unassisted_accuracy_ratio") == 0
    assert registry.get_sample_value("socratic_entropy_nats") == 1.5


def test_staleness_is_the_largest_and_the_mean_over_tokens() -> None:
    rng = random.Random(0)
    old = msgspec.structs.replace(episode(rng, [0.0], sample=0, step=5), attempts=[attempt(rng, 0.0, 2, length=3)])
    new = msgspec.structs.replace(episode(rng, [1.0], sample=1, step=5), attempts=[attempt(rng, 1.0, 4, length=6)])
    batch = assemble(5, [old, new])
    found = record_of(batch, annotate(batch, SocraticPO()), REPORT)
    assert (found.staleness_max, found.staleness_mean) == (2, pytest.approx(2 * 3 / 9))


def test_the_memory_is_that_of_this_process() -> None:
    """Of pages that are new: what others gave back to the heap is resident already."""
    content = b"x" * (64 * 2**20)
    before = memory_now()
    with mmap.mmap(-1, len(content), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(content)
        after = memory_now()
    assert after.resident_bytes - before.resident_bytes >= 0.9 * len(content)
    assert after.peak_bytes >= after.resident_bytes * 0.99
