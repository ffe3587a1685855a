"""What one watches, in each place where one looks: step records, JSON lines, /metrics, TensorBoard."""

import json
import math
from functools import partial
from pathlib import Path

import pytest
import redis
from contracts import keys
from contracts.records import StepRecord
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trainer import settings as trainer_settings
from trainer.meters import Meters
from trainer.tensorboard_log import TensorBoardLog

from .makers import JOB, episodes_of_step, spec_of
from .rig import kill, put_batches, put_job, reached, settings_of, start, stop, wait_until
from .standin_engine import StandInEngine

# Issue 3, "What you watch", word by word: (field of the step record, its name on /metrics).
WATCHED = {
    "loss": "socratic_training_loss",
    "mean_reward_raw": "socratic_reward_raw_mean",
    "mean_reward_decayed": "socratic_reward_decayed_mean",
    "decay_factor": "socratic_decay_factor_ratio",
    "clip_fraction": "socratic_clip_fraction_ratio",
    "approximate_kl": "socratic_sampling_kl_nats",
    "reference_kl": "socratic_reference_kl_nats",
    "logprob_gap_max": "socratic_logprob_gap_max_nats",
    "logprob_gap_mean": "socratic_logprob_gap_mean_nats",
    "entropy": "socratic_entropy_nats",
    "gradient_norm": "socratic_gradient_norm",
    "staleness_max": "socratic_staleness_max_versions",
    "staleness_mean": "socratic_staleness_mean_versions",
    "tokens_per_second": "socratic_student_tokens_per_second",
    "update_tokens_per_second": "socratic_update_tokens_per_second",
    "memory_bytes": "socratic_trainer_memory_bytes",
    "memory_peak_bytes": "socratic_trainer_memory_peak_bytes",
}
PHASES = {"wait", "update", "reference", "forward", "backward", "optimizer", "checkpoint", "acknowledge", "publish"}
STEPS = 3


def samples_of(record: StepRecord) -> dict[tuple[str, tuple[str, ...]], float]:
    """/metrics after this step: (name, label values) -> value."""
    registry = CollectorRegistry()
    Meters(registry).on_step(record)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(item.name, tuple(item.labels.values())): item.value for family in families for item in family.samples}


@pytest.fixture
def watched_job(client: "redis.Redis", redis_url: str, engine: StandInEngine, student: Path, tmp_path: Path) -> Path:
    """The directory of a job with a reference that was killed after its first step and then finished."""
    put_job(client, spec_of(student.name, steps=STEPS, kl_coefficient=0.1))
    put_batches(client, [episodes_of_step(step) for step in range(1, STEPS + 1)])
    settings = settings_of(redis_url, engine.url, tmp_path, student).model_copy(update={"tensorboard": True})
    process = start(settings)
    wait_until(partial(reached, client, 1), "the first step")
    kill(process)
    process = start(settings)
    wait_until(partial(reached, client, STEPS), "the end")
    stop(process)
    return tmp_path / "jobs" / JOB


def test_every_quantity_is_in_every_place(client: "redis.Redis", watched_job: Path) -> None:
    record = StepRecord.model_validate_json(client.hget(keys.steps(JOB), str(STEPS)))
    line = json.loads((watched_job / "steps.jsonl").read_text().splitlines()[-1])
    metrics = samples_of(record)
    board = EventAccumulator(str(watched_job / "tensorboard")).Reload()
    points = {tag: {event.step: event.value for event in board.Scalars(tag)} for tag in board.Tags()["scalars"]}

    for field, metric in WATCHED.items():
        value = getattr(record, field)
        assert value is not None, field
        assert line[field] == value
        assert metrics[metric, ()] == value
        assert points[f"step/{field}"][STEPS] == pytest.approx(value, rel=1e-6), field
    assert record.memory_bytes > 0
    assert set(record.phase_seconds) == set(line["phase_seconds"]) == PHASES
    for phase, seconds in record.phase_seconds.items():
        assert metrics["socratic_trainer_phase_seconds", (phase,)] == seconds
        assert points[f"phase_seconds/{phase}"][STEPS] == pytest.approx(seconds, rel=1e-6)


def test_attempts_are_told_by_their_index(client: "redis.Redis", watched_job: Path) -> None:
    record = StepRecord.model_validate_json(client.hget(keys.steps(JOB), str(STEPS)))
    metrics = samples_of(record)
    board = EventAccumulator(str(watched_job / "tensorboard")).Reload()
    assert len(record.attempts) == 3
    for attempt in record.attempts:
        decay = board.Scalars(f"decay_factor/attempt_{attempt.attempt}")[-1].value
        assert decay == pytest.approx(attempt.decay_factor)
        assert metrics["socratic_attempt_decay_factor_ratio", (str(attempt.attempt),)] == attempt.decay_factor
        advantage = board.Scalars(f"advantage_any/attempt_{attempt.attempt}")[-1].value
        assert advantage == pytest.approx(attempt.mean_advantage)
        found = metrics["socratic_attempt_advantage_mean", (str(attempt.attempt), "any")]
        assert found == attempt.mean_advantage


def test_tensorboard_shows_each_step_once_after_a_kill(watched_job: Path) -> None:
    board = EventAccumulator(str(watched_job / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("step/loss")] == [1, 2, 3]


def test_what_was_not_measured_is_no_number(client: "redis.Redis", watched_job: Path, tmp_path: Path) -> None:
    record = StepRecord.model_validate_json(client.hget(keys.steps(JOB), "1")).model_copy(update={"reference_kl": None})
    assert math.isnan(samples_of(record)["socratic_reference_kl_nats", ()])
    log = TensorBoardLog(tmp_path / "other", JOB)
    log.append(record)
    log.append(record.model_copy(update={"step": 2}))
    board = EventAccumulator(str(log.directory)).Reload()
    assert "step/reference_kl" not in board.Tags()["scalars"]
    assert [event.step for event in board.Scalars("step/loss")] == [1, 2]


def test_asking_for_tensorboard_without_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not trainer_settings.TrainerSettings().tensorboard
    monkeypatch.setattr("trainer.tensorboard_log.NEEDED", "no_such_package")
    with pytest.raises(ValidationError, match=r"socratic-trainer\[tensorboard\]"):
        trainer_settings.TrainerSettings(tensorboard=True)
