"""Groups that are all right or all wrong are skipped, by the complete batch alone."""

import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import redis
from contracts import keys
from contracts.episodes import Episode, Failure
from contracts.methods import GRPO
from contracts.records import StepRecord
from trainer.batch import assemble
from trainer.dynamic_sampling import worth_training
from trainer.methods import annotate
from trainer.step_record import record_of

from .makers import JOB, episode, spec_of
from .rig import consumed_ids, put_batches, put_job, reached, training, unacknowledged, wait_until
from .standin_engine import StandInEngine
from .test_records import REPORT

SHAPES: dict[str, list[list[float]]] = {
    "all right": [[1.0], [1.0]],
    "mixed": [[1.0], [0.0]],
    "all wrong": [[0.0], [0.0]],
    "guided": [[0.0, 1.0], [0.0, 1.0]],
    "mixed again": [[0.0], [1.0]],
}


def batch(*names: str) -> list[Episode]:
    rng = random.Random(0)
    return [
        episode(rng, rewards, question=name, sample=sample)
        for name in names
        for sample, rewards in enumerate(SHAPES[name])
    ]


def questions(episodes: list[Episode]) -> list[str]:
    return list(dict.fromkeys(episode.question_id for episode in episodes))


def test_uniform_groups_are_skipped_and_the_first_others_are_taught() -> None:
    taught, skipped = worth_training(batch(*SHAPES), groups=2)
    assert questions(taught) == ["mixed", "guided"]
    assert questions(skipped) == ["all right", "all wrong", "mixed again"]
    assert len(taught) + len(skipped) == 10


def test_too_few_are_taught_as_they_are_and_none_at_all_leaves_the_batch_whole() -> None:
    assert questions(worth_training(batch("all wrong", "mixed"), groups=2)[0]) == ["mixed"]
    assert questions(worth_training(batch("all wrong", "all right"), groups=1)[0]) == ["all wrong"]


def test_a_recorded_failure_makes_no_group_mixed() -> None:
    episodes = batch("all right")
    lost = msgspec.structs.replace(episodes[1], failure=Failure(code="deadline", detail="late"))
    taught, _ = worth_training([episodes[0], lost, *batch("mixed")], groups=2)
    assert questions(taught) == ["mixed"]


def test_the_record_counts_what_was_skipped_and_the_gradient_does_not() -> None:
    taught, skipped = worth_training(batch("all right", "mixed", "all wrong"), groups=1)
    taught_batch = assemble(1, taught)
    annotation = annotate(taught_batch, GRPO())
    record = record_of(taught_batch, annotation, REPORT, skipped)
    assert (record.episodes, record.skipped_episodes) == (6, 4)
    assert record.unassisted_accuracy == 0.5
    assert record.mean_reward_raw == 0.5
    alone: Any = record_of(taught_batch, annotation, replace(REPORT))
    assert alone.skipped_episodes == 0


def test_a_step_trains_on_some_groups_and_consumes_its_whole_manifest(
    redis_url: str, client: "redis.Redis", engine: StandInEngine, student: Path, tmp_path: Path
) -> None:
    spec = spec_of(student.name, steps=1)
    asked = {"prompts_per_step": 1, "group_size": 2, "spare_prompts": 2}
    put_job(client, spec.model_copy(update={"rollout": spec.rollout.model_copy(update=asked)}))
    episodes = batch("all right", "mixed", "mixed again")
    put_batches(client, [episodes])
    with training(redis_url, engine, tmp_path, student):
        wait_until(partial(reached, client, 1), "the step")
    record = StepRecord.model_validate_json(client.hget(keys.steps(JOB), "1"))
    assert (record.episodes, record.skipped_episodes) == (6, 4)
    assert consumed_ids(tmp_path) == [episode.episode_id for episode in episodes]
    assert unacknowledged(client) == 0
