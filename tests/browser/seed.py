"""Jobs with a past, written as the services would have written them: what no short run can show."""

import time
from dataclasses import dataclass

import redis
from contracts import keys
from contracts.credit import AttemptCredit, EpisodeCredit, encode_credit
from contracts.episodes import Attempt, Episode, Guidance, VersionSpan, encode_episode
from contracts.events import EVENT_FIELD, JobCreated, encode_event
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, ManifestEntry, encode_manifest, episode_id
from contracts.records import StepRecord

# Tokens of the shipped student: <reasoning> gap ... </answer>, as it would have sampled them.
TOKENS = [5, 19, 9, 14, 89, 15, 72, 6, 7, 15, 8, 4]
SECONDS_AGO = 3600.0


@dataclass(frozen=True)
class Past:
    """What a job has behind it. `words` are the student's, the teacher's and the name's."""

    job_id: str
    episodes: int = 0
    student: str = "models/materials-base"
    words: str = "look at the gap once more ."
    group_size: int = 8
    batch: int = 200

    @property
    def steps(self) -> int:
        """Batches, the last perhaps smaller."""
        return -(-self.episodes // self.batch)


def spec_of(past: Past) -> JobSpec:
    """A job of the built-in task."""
    return JobSpec.model_validate(
        {
            "name": past.words[:80],
            "student": {"model": past.student},
            "task": {"name": "materials"},
            "teacher": {"provider": "tutor"},
            "rollout": {"group_size": past.group_size, "prompts_per_step": past.batch // past.group_size},
            "training": {"steps": max(1, past.steps)},
        }
    )


def write_past(store: redis.Redis, past: Past) -> None:
    """The job as it stands after its last step."""
    now = time.time()
    with store.pipeline(transaction=False) as pipe:
        fields = {
            "spec": spec_of(past).model_dump_json(),
            "status": "succeeded",
            "created_at": repr(now - SECONDS_AGO),
            "started_at": repr(now - SECONDS_AGO),
            "updated_at": repr(now),
            "policy_version": str(past.steps),
        }
        pipe.hset(keys.job(past.job_id), mapping=fields)
        pipe.zadd(keys.jobs(), {past.job_id: now - SECONDS_AGO})
        pipe.xadd(keys.events(past.job_id), {EVENT_FIELD: encode_event(JobCreated(at=now, name=past.words[:80]))})
        for step in range(1, past.steps + 1):
            write_step(pipe, past, step)
        pipe.execute()


def write_step(pipe: "redis.client.Pipeline", past: Past, step: int) -> None:
    """Manifest, episodes in order of arrival, credit and record."""
    count = min(past.batch, past.episodes - (step - 1) * past.batch)
    entries = [entry_of(past, step, place) for place in range(count)]
    manifest = Manifest(job_id=past.job_id, purpose="train", step=step, policy_version=step - 1, entries=entries)
    pipe.set(keys.manifest(past.job_id, "train", step), encode_manifest(manifest))
    for place, entry in enumerate(entries):
        stream_id = f"{1_000_000 + step}-{place + 1}"
        episode = episode_of(past, step, entry, right=place % 2 == 0)
        payload = {keys.EPISODE_FIELD: encode_episode(episode)}
        pipe.xadd(keys.stream(past.job_id, "train"), payload, id=stream_id)
        pipe.hset(keys.index(past.job_id, "train", step), entry.episode_id, stream_id)
        pipe.hset(keys.credits(past.job_id, step), entry.episode_id, encode_credit(credit_of(episode)))
    pipe.hset(keys.steps(past.job_id), str(step), record_of(step, count).model_dump_json())


def write_long(store: redis.Redis, job_id: str, steps: int) -> None:
    """A job of so many steps with their records, and no episodes."""
    past = Past(job_id, words="a long job")
    write_past(store, past)
    spec = spec_of(past)
    spec = spec.model_copy(update={"training": spec.training.model_copy(update={"steps": steps})})
    store.hset(keys.job(job_id), mapping={"spec": spec.model_dump_json(), "policy_version": str(steps)})
    records = {str(step): record_of(step, 16).model_dump_json() for step in range(1, steps + 1)}
    store.hset(keys.steps(job_id), mapping=records)


def entry_of(past: Past, step: int, place: int) -> ManifestEntry:
    """One place of a manifest."""
    question, sample = f"materials-train-{place // past.group_size}", place % past.group_size
    made = episode_id(past.job_id, "train", step, question, sample)
    return ManifestEntry(episode_id=made, question_id=question, sample=sample, seed=0)


def episode_of(past: Past, step: int, entry: ManifestEntry, right: bool) -> Episode:
    """Wrong first, then taught; the first attempt straddles a swap of the policy."""
    count = len(TOKENS)
    wrong = Attempt(
        token_ids=TOKENS,
        logprobs=[-0.1] * count,
        version_spans=[VersionSpan(version=step - 1, start=0, end=5), VersionSpan(version=step, start=5, end=count)],
        text=past.words,
        outcome="wrong",
        reward=0.0,
        finish_reason="stop",
        latency_seconds=0.2,
    )
    second = Attempt(
        **{name: getattr(wrong, name) for name in ("token_ids", "logprobs", "text", "finish_reason")},
        version_spans=[VersionSpan(version=step, start=0, end=count)],
        outcome="correct" if right else "malformed",
        reward=float(right),
        latency_seconds=0.1,
    )
    return Episode(
        episode_id=entry.episode_id,
        job_id=past.job_id,
        purpose="train",
        step=step,
        question_id=entry.question_id,
        sample=entry.sample,
        prompt_token_ids=[2, 3],
        attempts=[wrong, second],
        guidances=[guidance_of(past, leaked=not right)],
        started_at=1_000_000.0 + step,
        finished_at=1_000_001.0 + step,
    )


def guidance_of(past: Past, leaked: bool) -> Guidance:
    """What the teacher said."""
    return Guidance(
        token_ids=[2, 3],
        text=past.words,
        provider="tutor",
        model="materials-tutor",
        prompt_tokens=200,
        completion_tokens=12,
        price_usd=0.0021,
        latency_seconds=0.01,
        leaked=leaked,
        leak_rules=["letter", "value"] if leaked else [],
        leak_lift=-0.25 if not leaked else None,
        leak_action="redact" if leaked else "allow",
    )


def credit_of(episode: Episode) -> EpisodeCredit:
    """The tokens of the second attempt differ: as many signs as there can be."""
    spread = [-2.0 + 4.0 * at / (len(TOKENS) - 1) for at in range(len(TOKENS))]
    earned = 0.5 * episode.attempts[1].reward
    return EpisodeCredit(
        attempts=[
            AttemptCredit(reward_decayed=0.0, advantages=[-0.75]),
            AttemptCredit(reward_decayed=earned, advantages=spread),
        ]
    )


def record_of(step: int, episodes: int) -> StepRecord:
    """Plausible numbers; every integer 0 and every share a half unless said otherwise."""
    numbers = {
        name: 0 if kind.annotation is int else 0.5
        for name, kind in StepRecord.model_fields.items()
        if kind.annotation in (int, float)
    }
    attempts = [
        {"attempt": 1, "rows": episodes, "correct": 0, "decay_factor": 1.0},
        {"attempt": 2, "rows": episodes, "correct": episodes // 2, "decay_factor": 0.5},
    ]
    means = {"mean_advantage_correct": 1.0, "mean_advantage_wrong": -0.75}
    return StepRecord.model_validate(
        {
            **numbers,
            "step": step,
            "episodes": episodes,
            "attempts": [{**attempt, **means} for attempt in attempts],
            "cold": False,
            "zero_gradient": False,
            "phase_seconds": {"wait": 0.2, "update": 0.3},
        }
    )
