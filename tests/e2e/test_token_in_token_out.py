"""Invariants 4, 5 and 7 on a whole run: what the engine sampled is what the trainer trains on, to the token."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from contracts.episodes import Attempt, Episode
from contracts.jobs import JobSpec
from contracts.policies import engine_version
from contracts.records import StepRecord
from contracts.statuses import JobStatus
from socratic.client import Client
from trainer.archive import read_batch
from trainer.batch import assemble
from trainer.methods import annotate
from trainer.microbatches import pack

from ..stacks import materials_stack
from .recording import recorded_stack

Exchange = tuple[dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Recorded:
    """A finished job, and every exchange of its rollout workers with the engine."""

    job_id: str
    spec: JobSpec
    records: list[StepRecord]
    batches: list[list[Episode]]
    exchanges: list[Exchange]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    spec = JobSpec.model_validate(
        {
            "name": "recorded",
            "student": {"model": "models/materials-base"},
            "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
            "teacher": {"provider": "tutor"},
            "rollout": {"max_attempts": 3, "prompts_per_step": 8, "group_size": 4, "max_answer_tokens": 32},
            "training": {"steps": 4, "learning_rate": 4e-4, "warmup_steps": 1},
            "evaluation": {"every": 100, "questions": 10},
        }
    )
    request = materials_stack(tmp_path_factory.mktemp("recorded"))
    with recorded_stack(request) as (url, proxy), Client(url) as client:
        job = client.submit(spec)
        for _ in client.stream(job.id):
            pass
        ended = client.get(job.id)
        assert ended.status == JobStatus.SUCCEEDED, ended.error
        steps = range(1, spec.training.steps + 1)
        batches = [read_batch(request.data_root, job.id, step) for step in steps]
        yield Recorded(job.id, spec, client.steps(job.id), batches, proxy.exchanges)


def attempts_of(episode: Episode) -> Iterator[tuple[list[int], int]]:
    """(context of the attempt, its index): prompt and everything said before it."""
    context = list(episode.prompt_token_ids)
    for index, attempt in enumerate(episode.attempts):
        yield list(context), index
        context += attempt.token_ids
        if index < len(episode.guidances):
            context += episode.guidances[index].token_ids


def same(answer: dict[str, Any], attempt: Attempt, job_id: str) -> bool:
    """The engine's answer and the attempt have the same tokens, log-probabilities and policy versions."""
    meta = answer["meta_info"]
    spans = [(span["version"], span["start"], span["end"]) for span in meta["weight_versions"]]
    return (
        answer["output_ids"] == attempt.token_ids
        and [item[0] for item in meta["output_token_logprobs"]] == attempt.logprobs
        and spans == [(engine_version(job_id, span.version), span.start, span.end) for span in attempt.version_spans]
    )


def test_every_attempt_is_exactly_what_the_engine_was_asked_and_answered(recorded: Recorded) -> None:
    answers_to: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for request, answer in recorded.exchanges:
        answers_to.setdefault(tuple(request["input_ids"]), []).append(answer)
    attempts = 0
    for episode in (episode for batch in recorded.batches for episode in batch):
        for context, index in attempts_of(episode):
            attempt = episode.attempts[index]
            attempts += 1
            assert any(same(answer, attempt, recorded.job_id) for answer in answers_to[tuple(context)])
    assert attempts > sum(len(batch) for batch in recorded.batches)  # some were second attempts


def test_the_trainers_tensors_hold_those_tokens_and_loss_on_the_students_only(recorded: Recorded) -> None:
    for step, episodes in enumerate(recorded.batches, start=1):
        batch = assemble(step, episodes)
        annotation = annotate(batch, recorded.spec.method)
        packed = pack(batch.trajectories, annotation.advantages_RT, recorded.spec.training.tokens_per_microbatch)
        laid = [micro.layout.unrolled(micro.token_ids_U) for micro in packed]
        rows = [row_T.tolist() for token_ids_BT in laid for row_T in token_ids_BT]
        for episode in episodes:
            *_, (context, last) = attempts_of(episode)
            whole = [*context, *episode.attempts[last].token_ids]
            assert any(row[: len(whole)] == whole and not any(row[len(whole) :]) for row in rows)
        sampled = sorted(token for episode in episodes for attempt in episode.attempts for token in attempt.token_ids)
        assert sorted(token for microbatch in packed for token in microbatch.targets_N.tolist()) == sampled


def test_engine_and_trainer_agree_on_log_probabilities(recorded: Recorded) -> None:
    """Invariant 7: at most 1e-4 nats apart on CPU in fp32."""
    assert [record.step for record in recorded.records] == [1, 2, 3, 4]
    assert all(0 <= record.logprob_gap_max < 1e-4 for record in recorded.records)
    assert any(record.logprob_gap_max > 0 for record in recorded.records)  # it is measured at all


def test_each_batch_was_sampled_by_the_policy_before_it(recorded: Recorded) -> None:
    """max_staleness 0 is strictly on-policy."""
    for step, episodes in enumerate(recorded.batches, start=1):
        versions = {span.version for item in episodes for attempt in item.attempts for span in attempt.version_spans}
        assert versions == {step - 1}
    assert [record.staleness_max for record in recorded.records] == [0, 0, 0, 0]
