"""The unbroken run: a fresh trainer learns from the same manifests and episodes without any fault."""

from pathlib import Path

import redis
from contracts import keys, scripts
from contracts.episodes import encode_episode
from contracts.jobs import JobSpec
from contracts.manifests import encode_manifest
from trainer.archive import read_batch
from trainer.settings import TrainerSettings

from services.trainer.tests.rig import reached, start, stop, wait_until
from services.trainer.tests.standin_engine import StandInEngine

from ..stacks import REPOSITORY
from .audit import manifests_of, weights_at


def unbroken_weights(
    broken: "redis.Redis", data_root: Path, job_id: str, spec: JobSpec, fresh_url: str, home: Path
) -> str:
    """SHA-256 of the last weights that come of the job's episodes in an empty Redis and an empty directory."""
    steps, student = spec.training.steps, REPOSITORY / "models/materials-base"
    engine = StandInEngine(student)
    settings = TrainerSettings(
        port=0,
        redis_url=fresh_url,
        student_urls=[engine.url],
        data_root=home,
        model_roots=[REPOSITORY],
        log_level="error",
    )
    # A figure beside the training, which must not change it: the unbroken run has neither gateway nor teacher.
    alone = spec.model_copy(update={"training": spec.training.model_copy(update={"teacher_kl": None})})
    with redis.Redis.from_url(fresh_url) as fresh:
        copy_job(broken, data_root, job_id, alone, fresh)
        trainer = start(settings)
        try:
            for step in range(10, steps + 10, 10):
                wait_until(lambda step=step: reached(fresh, min(step, steps), job_id), f"step {step} of the replay")
        finally:
            stop(trainer)
            engine.stop()
    return weights_at(home, job_id, steps)


def copy_job(broken: "redis.Redis", data_root: Path, job_id: str, spec: JobSpec, fresh: "redis.Redis") -> None:
    """The job as if it had just begun to run, with every episode that the broken run trained on already there."""
    fresh.flushdb()
    fresh.hset(keys.job(job_id), mapping={"spec": spec.model_dump_json(), "status": "running"})
    append = fresh.register_script(scripts.APPEND_EPISODES)
    for manifest in manifests_of(broken, job_id, spec.training.steps):
        fresh.set(keys.manifest(job_id, "train", manifest.step), encode_manifest(manifest))
        for episode in read_batch(data_root, job_id, manifest.step):
            places = [keys.index(job_id, "train", episode.step), keys.stream(job_id, "train")]
            append(places, [episode.episode_id, keys.EPISODE_FIELD, encode_episode(episode)])
    fresh.set(keys.active_job(), job_id)
