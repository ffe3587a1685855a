"""Manifests made from a job's specification: the same inputs always give the same manifest (invariant 2). Pure."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from itertools import count

from contracts.episodes import Purpose
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, ManifestEntry, episode_id

from orchestrator.question_order import questions_of_step


def train_manifest(
    job_id: str, spec: JobSpec, question_ids: Sequence[str], step: int, resting: Set[str] = frozenset()
) -> Manifest:
    """The batch of training step `step`: `group_size` samples of each of its questions.

    Questions that are `resting` are asked only where there are not enough others.
    """
    chosen = chosen_questions(spec, question_ids, step, resting)
    oldest = max(0, step - 1 - spec.rollout.max_staleness)
    return _manifest(job_id, spec, "train", step, oldest, chosen, spec.rollout.group_size)


def chosen_questions(spec: JobSpec, question_ids: Sequence[str], step: int, resting: Set[str]) -> list[str]:
    """The step's questions in the order of the epochs; for a resting one comes the next that is awake."""
    wanted = spec.rollout.prompts_asked
    awake: dict[str, None] = {}
    asleep: dict[str, None] = {}
    for later in count(step):
        for index in questions_of_step(len(question_ids), wanted, spec.seed, later):
            (asleep if question_ids[index] in resting else awake)[question_ids[index]] = None
        if len(awake) >= wanted or len(awake) + len(asleep) == len(question_ids):
            return [*awake, *asleep][:wanted]
    raise AssertionError("an epoch asks every question")


def evaluation_manifest(
    job_id: str, spec: JobSpec, question_ids: Sequence[str], split_ids: Mapping[str, Sequence[str]], version: int
) -> Manifest:
    """The held-out questions asked of one policy version, then those of the splits that the job names."""
    chosen = [*question_ids[: spec.evaluation.questions]]
    for split in spec.evaluation.splits:
        chosen += split_ids[split][: spec.evaluation.split_questions]
    return _manifest(job_id, spec, "eval", version, version, chosen, spec.evaluation.episodes_per_question)


def _manifest(
    job_id: str, spec: JobSpec, purpose: Purpose, step: int, version: int, question_ids: Sequence[str], samples: int
) -> Manifest:
    entries = [
        ManifestEntry(
            episode_id=episode_id(job_id, purpose, step, question_id, sample),
            question_id=question_id,
            sample=sample,
            seed=episode_seed(spec.seed, purpose, step, question_id, sample),
        )
        for question_id in question_ids
        for sample in range(samples)
    ]
    return Manifest(job_id=job_id, purpose=purpose, step=step, policy_version=version, entries=entries)


def episode_seed(seed: int, purpose: Purpose, step: int, question_id: str, sample: int) -> int:
    """A 31-bit sampling seed; the job's id is no part of it, so that equal jobs sample equally."""
    name = f"{seed}/{purpose}/{step}/{question_id}/{sample}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF
